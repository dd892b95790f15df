package setup

import "strings"

// A forge is a public host of repositories.
type forge struct {
	// fingerprints of its SSH host keys as it publishes them at source.
	fingerprints []string
	source       string
	// deployKeys is the page of a repository where deploy keys are added;
	// {path} is OWNER/NAME.
	deployKeys string
}

// forges by host name. The order of fingerprints is ed25519, ECDSA, RSA.
func forges() map[string]forge {
	return map[string]forge{
		"github.com": {
			source: "https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/githubs-ssh-key-fingerprints",
			fingerprints: []string{
				"SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU",
				"SHA256:p2QAMXNIC1TJYWeIOttrVc98/R1BUFWu3/LiyKgUfQM",
				"SHA256:uNiVztksCsDhcc0u9e8BujQXVUpKZIDTMczCvj3tD2s",
			},
			deployKeys: "https://github.com/{path}/settings/keys/new",
		},
		"gitlab.com": {
			source: "https://docs.gitlab.com/user/gitlab_com/#ssh-host-keys-fingerprints",
			fingerprints: []string{
				"SHA256:eUXGGm1YGsMAS7vkcx6JOJdOGHPem5gQp4taiCfCLB8",
				"SHA256:HbW3g8zUjNSksFbqTiUWPWg2Bq1x8xdGUrliXFzSnUw",
				"SHA256:ROQFvPThGrW4RuWLoL9tq9I9zJ42fK4XywyRtbOz/EQ",
			},
			deployKeys: "https://gitlab.com/{path}/-/settings/repository#js-deploy-keys-settings",
		},
		"bitbucket.org": {
			source: "https://support.atlassian.com/bitbucket-cloud/docs/configure-ssh-and-two-step-verification/",
			fingerprints: []string{
				"SHA256:ybgmFkzwOSotHTHLJgHO0QN8L0xErw6vd0VhFA9m3SM",
				"SHA256:FC73VB6C4OQLSCrjEayhMp9UMxS97caD/Yyi2bhW/J0",
				"SHA256:46OSHA1Rmj8E8ERTC6xkNcmGOw9oFxYr0WF6zWW8l1E",
			},
			deployKeys: "https://bitbucket.org/{path}/admin/access-keys/",
		},
		"codeberg.org": {
			source: "https://docs.codeberg.org/security/ssh-fingerprint/",
			fingerprints: []string{
				"SHA256:mIlxA9k46MmM6qdJOdMnAQpzGxF4WIVVL+fj+wZbw0g",
				"SHA256:T9FYDEHELhVkulEKKwge5aVhVTbqCW0MIRwAfpARs/E",
				"SHA256:6QQmYi4ppFS4/+zSZ5S4IU+4sa6rwvQ4PbhCtPEBekQ",
			},
			deployKeys: "https://codeberg.org/{path}/settings/keys",
		},
	}
}

// whereToPaste says where a repository's deploy key is added.
func whereToPaste(a gitAddress) string {
	if f, ok := forges()[strings.ToLower(a.host)]; ok {
		return strings.ReplaceAll(f.deployKeys, "{path}", a.path)
	}
	return "the repository's deploy keys on " + a.host + " (GitLab: Settings, Repository, Deploy keys; Gitea and Forgejo: Settings, Deploy Keys); without write access"
}
