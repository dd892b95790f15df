package main

// The versions of the story. v3 starts but never gets healthy; v4, which ends at
// once, is for whoever tries it out afterwards: nobody has seen it fail.
const (
	v1     = "v1"
	v2     = "v2"
	broken = "v3"
	yours  = "v4"
)

// story is what the demo tells, in order. Read it aloud.
func story(s *stage) []step {
	return []step{
		{"Look whether this machine can play servers", s.prepare},
		{"Build fairlead", s.buildFairlead},
		{"Start two servers, an image registry and a Git server", s.startFleet},
		{"Push the images: v1, v2, v3, which never gets healthy, and v4, which ends at once", s.pushImages},
		{"Start v1 behind a proxy on both servers, as Kamal leaves them", s.startByHand},
		{"Both servers answer v1", s.answers(v1)},
		{"Send requests to both without a pause, from now on", s.startTraffic},
		{"Put the deploy.yml of v1 into Git", s.commit(v1)},
		{"Start fairlead; it looks after both servers from now on", s.startDaemon},
		{"It finds what Git says, and changes nothing", s.takesOver},
		{"Push v2 to Git", s.commit(v2)},
		{"Kill the daemon in the middle of the rollout", s.killMidway},
		{"Start it again", s.restartDaemon},
		{"v2 gets live on both servers all the same", s.succeeds},
		{"Both servers answer v2", s.answers(v2)},
		{"Push the broken v3 to Git", s.commit(broken)},
		{"It goes back on both servers, and says why", s.goesBack},
		{"Both servers answer v2", s.answers(v2)},
		{"Not one request has failed", s.noneFailed},
		{"No secret is in fairlead's data, log or messages, in eight encodings", s.noneLeaked},
	}
}
