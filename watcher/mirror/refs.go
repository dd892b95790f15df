package mirror

import (
	"bytes"
	"io"
	"path"
	"strings"

	"github.com/fairlead-deploy/fairlead/watcher/mirror/version"
)

// capabilities is what a server said it can do, as it wrote it.
type capabilities struct {
	known map[string]string
	head  string // what HEAD points at: "refs/heads/main"; empty when untold
}

func parseCapabilities(text string) capabilities {
	c := capabilities{known: map[string]string{}}
	for word := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(word, "=")
		if name == "symref" {
			if target, ok := strings.CutPrefix(value, "HEAD:"); ok {
				c.head = target
			}
			continue
		}
		c.known[name] = value
	}
	return c
}

func (c capabilities) has(name string) bool {
	_, ok := c.known[name]
	return ok
}

// partial tells whether single objects can be asked for: what git 2.20 and
// newer announce with uploadpack.allowFilter and allowAnySHA1InWant, and the
// large forges always do.
func (c capabilities) partial() bool {
	return c.has("filter") && c.has("shallow") && c.has("allow-reachable-sha1-in-want")
}

// readAdvertisement reads the list of refs as git-upload-pack sends it
// (protocol v0 and v1; gitprotocol-pack, "Reference Discovery") and hands every
// ref to the choice as it passes; nothing is kept. It stops early when the
// choice is settled.
func readAdvertisement(l *lines, c *choice) (capabilities, error) {
	var caps capabilities
	first := true
	for {
		kind, line, err := l.next()
		if err != nil {
			return caps, err
		}
		if kind != lineData {
			if first && c.smartHTTP {
				c.smartHTTP = false // the flush after "# service=…"
				continue
			}
			return caps, nil
		}
		if bytes.HasPrefix(line, []byte("# service=")) || bytes.HasPrefix(line, []byte("version ")) {
			continue
		}
		if said := serverError(line); said != "" {
			return caps, refusal(said)
		}
		if first {
			first = false
			ref, told, _ := bytes.Cut(line, []byte{0})
			caps = parseCapabilities(string(told))
			c.head(caps.head)
			line = ref
		}
		if stop, err := c.line(line); stop || err != nil {
			return caps, err
		}
	}
}

// refusal makes an error of what a server said in words.
func refusal(said string) error {
	low := strings.ToLower(said)
	switch {
	case strings.Contains(low, "not our ref"):
		return trouble(ErrMoved, "the server no longer has the commit (%s); looking again", said)
	case strings.Contains(low, "not found") || strings.Contains(low, "does not exist") || strings.Contains(low, "does not appear to be a git repository"):
		return trouble(ErrNotFound, "the server says %q; check the address and that the key or token may read the repository", said)
	case strings.Contains(low, "denied") || strings.Contains(low, "access"):
		return trouble(ErrAuth, "the server says %q; give the key or token read access", said)
	}
	return trouble(ErrProtocol, "the server says %q", said)
}

// choice picks one ref out of a list that passes by once.
type choice struct {
	asked     string // as configured
	want      string // full name, or pattern with a star; empty: where HEAD points
	smartHTTP bool   // the list begins with "# service=…"

	any   bool // some ref passed
	name  string
	id    string // what the ref is: a commit or a tag object
	peel  string // the commit behind a tag object
	atTag bool   // the next line may be name^{}
}

// newChoice understands a configured ref: "" is the default branch, "main" a
// branch, "v*" the newest tag that matches, "refs/…" itself.
func newChoice(ref string) (*choice, error) {
	c := &choice{asked: ref}
	switch {
	case ref == "" || ref == "HEAD":
	case strings.HasPrefix(ref, "refs/"):
		c.want = ref
	case strings.Contains(ref, "*"):
		c.want = "refs/tags/" + ref
	default:
		c.want = "refs/heads/" + ref
	}
	if _, err := path.Match(c.want, ""); err != nil || strings.ContainsAny(ref, " \t\n\x00") {
		return nil, trouble(ErrAddress, "%q is neither a branch nor a tag pattern such as \"v*\"", ref)
	}
	return c, nil
}

func (c *choice) head(target string) {
	if c.want == "" {
		c.want = "HEAD"
		if target != "" {
			c.want = target
		}
	}
}

func (c *choice) pattern() bool { return strings.Contains(c.want, "*") }

// line takes "<id> <name>" and tells whether nothing better can follow.
func (c *choice) line(line []byte) (settled bool, err error) {
	line = bytes.TrimSuffix(line, []byte{'\n'})
	id, name, ok := bytes.Cut(line, []byte{' '})
	if string(id) == "shallow" {
		return false, nil
	}
	switch {
	case !ok || !isHex(id) || (len(id) != 40 && len(id) != 64):
		return false, trouble(ErrProtocol, "unexpected line %q in the list of refs", printable(line))
	case len(id) == 64:
		return false, errSHA256()
	case string(name) == "capabilities^{}":
		return false, nil
	}
	c.any = true
	if c.atTag {
		if rest, ok := bytes.CutPrefix(name, []byte(c.name)); ok && string(rest) == "^{}" {
			c.peel = string(id)
		}
		c.atTag = false
		if !c.pattern() {
			return true, nil
		}
	}
	if c.pattern() {
		c.offer(name, id)
		return false, nil
	}
	if string(name) != c.want {
		return false, nil
	}
	c.take(name, id)
	return !c.atTag, nil
}

func (c *choice) offer(name, id []byte) {
	if bytes.HasSuffix(name, []byte("^{}")) {
		return
	}
	full := string(name)
	if match, _ := path.Match(c.want, full); match && version.Newer(full, c.name, strings.Contains(c.want, "-")) {
		c.take(name, id)
	}
}

func (c *choice) take(name, id []byte) {
	c.name, c.id, c.peel = string(name), string(id), ""
	c.atTag = bytes.HasPrefix(name, []byte("refs/tags/"))
}

// tip is the outcome once the list has passed.
func (c *choice) tip(caps capabilities) (Tip, error) {
	if caps.known["object-format"] == "sha256" {
		return Tip{}, errSHA256()
	}
	if c.name == "" {
		return Tip{}, c.missing(caps)
	}
	t := Tip{Ref: c.name, SHA: c.id, id: c.id, caps: caps}
	if c.peel != "" {
		t.SHA = c.peel
	}
	return t, nil
}

func (c *choice) missing(caps capabilities) error {
	switch {
	case !c.any && (c.want == "" || c.want == "HEAD" || strings.HasPrefix(c.want, "refs/heads/")):
		return trouble(ErrEmpty, "the repository has no commit yet; push one to %s", orDefault(c.asked))
	case c.pattern():
		return trouble(ErrRefMissing, "no tag matches %q; push one, or set branch:", c.asked)
	case caps.head != "" && caps.head != c.want:
		return trouble(ErrRefMissing, "%q does not exist; the default branch is %q: push it, or change branch:",
			c.asked, strings.TrimPrefix(caps.head, "refs/heads/"))
	}
	return trouble(ErrRefMissing, "%s does not exist; push it, or change branch:", orDefault(c.asked))
}

func orDefault(ref string) string {
	if ref == "" {
		return "the default branch"
	}
	return `"` + ref + `"`
}

func errSHA256() error {
	return trouble(ErrSHA256, "the repository names its objects by SHA-256, which Fairlead cannot read; use a repository made with --object-format=sha1")
}

func isHex(b []byte) bool {
	for _, c := range b {
		if hexDigit(c) < 0 {
			return false
		}
	}
	return true
}

// drain reads what is left so that the connection can be used again, up to a
// size where closing it is cheaper.
func drain(r io.Reader) { _, _ = io.CopyN(io.Discard, r, 64<<10) }
