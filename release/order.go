package release

// Action is what a person can ask for in view of a release.
type Action string

// The actions.
const (
	ActionRollback Action = "rollback" // go back to what worked before it, and stay there
	ActionRetry    Action = "retry"    // try again what failed
	ActionHold     Action = "hold"     // stay at what runs, whatever Git says
	ActionResume   Action = "resume"   // follow Git again
)

// Order is what a person asks for in view of a release. It is about that one
// alone: where a newer one is there, the person has seen another picture, and
// the order is refused.
type Order struct {
	Action  Action `json:"action"`
	Release ID     `json:"release"`
	Repo    string `json:"repo"`
	Lane    Lane   `json:"lane"`
	Actor   string `json:"actor"` // the person, as history shows it
}
