// Package hook runs a release's hooks: those written in deploy.yml and Kamal's
// files, each command of them at most once per release, however often the
// daemon dies.
//
//	prepare … pull, create ── pre-connect, pre-deploy, pre-app-boot ── start, switch ──
//	post-app-boot ── watch ── stop the old ── post-deploy            (forward)
//	… take back ── on-failure ── on-rollback                         (back)
//
// A hook runs in a container of the new version that is made like the one of
// the primary role on its first host, under a name that only it has. The
// engine gives a name once, and what began is written down with the release
// before it starts: after a lost reply or a death the container is looked up,
// waited for and asked how it ended, never started again. One whose container
// is gone is not known to have worked, and is not repeated either. A hook that
// an operator lets run on Fairlead's own machine has nothing to be looked up
// by: one that was cut off by a death has failed.
//
// Lives here: which hooks run when and with what environment, containers and
// processes for them, their end and output. May not live here: reading them
// (deployer/spec), whether they are allowed (deployer/policy), what becomes of
// the release.
package hook
