package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
)

// Shell runs a command line in the login shell of the SSH user
// (host.Host.Shell).
type Shell func(ctx context.Context, line string, st docker.Streams) (code int, err error)

// Remote is a server that jobs run on.
type Remote struct {
	Name  string
	Shell Shell
}

// keeper is the program that runs a job at the other end. It reads what to run
// from its input, a line each: m MARK, l SECONDS, e NAME=VALUE, a WORD, n NAME and
// s TEXT of a file, g to begin; values as printf's %b has them. The input's end
// ends the job. It has no quote (') in it, for the login shell to have it whole.
const keeper = `d=$(mktemp -d) || exit 125
go= mark= limit= file=
while IFS= read -r l; do
w=${l#?}
case $l in
m*) mark=$w ;;
l*) limit=$w ;;
e*) v=$(printf "%bx" "${w#*=}"); export "${w%%=*}=${v%x}" ;;
a*) v=$(printf "%bx" "$w"); set -- "$@" "${v%x}" ;;
n*) file=$d/$w; : >"$file"; chmod 700 "$file"; set -- "$file" ;;
s*) printf "%b" "$w" >>"$file" ;;
g) go=1; break ;;
esac
done
command -v setsid >/dev/null || { echo "this server has no program setsid (util-linux), by which all of a hook is ended"; go=; }
[ -n "$go" ] || { rm -rf "$d"; exit 125; }
exec 3<&0
( export FAIRLEAD_HOOK_RUN="$mark"; exec setsid "$@" ) </dev/null 2>&1 3<&- & p=$!
end() { kill -TERM -$p || kill -TERM $p; sleep 2; kill -KILL -$p || kill -KILL $p; }
( trap "kill \$!; exit 0" TERM; sleep $limit & wait $!; end ) </dev/null >/dev/null 2>&1 3<&- & t=$!
( trap "kill \$!; exit 0" TERM; cat <&3 & wait $!; end ) >/dev/null 2>&1 & c=$!
wait $p 2>/dev/null; code=$?
kill -KILL -$p 2>/dev/null
kill $t $c 2>/dev/null
for f in $(grep -lsF "FAIRLEAD_HOOK_RUN=$mark" /proc/[0-9]*/environ); do
f=${f#/proc/}; kill -KILL ${f%/environ} 2>/dev/null
done
rm -rf "$d"
exit $code`

// slack is how much longer than its deadline an answer is waited for.
const slack = 20 * time.Second

// There runs a job on a server. begin is called when a session is there, just
// before the job is: what fails until then is the error, and nothing was run. So
// is the end of ctx; what fails later is an outcome.
func There(ctx context.Context, on Remote, j Job, begin func() error) (Outcome, error) {
	text, err := j.told()
	if err != nil {
		return never(err), begin()
	}
	if on.Shell == nil {
		return never(errors.New(on.Name + " is not reached over SSH")), begin()
	}
	in := &feed{text: bytes.NewReader(text), begin: begin, gone: make(chan struct{})}
	out := &tail{keep: j.Keep}
	limited, cancel := context.WithTimeout(ctx, j.Deadline+Grace+slack)
	defer cancel()
	code, err := on.Shell(limited, "sh -c '"+keeper+"'", docker.Streams{In: in, Out: out, Err: out})
	_ = in.Close()
	began, refused := in.state()
	late := !began.IsZero() && time.Since(began) >= j.Deadline
	switch {
	case ctx.Err() != nil:
		return Outcome{}, context.Cause(ctx)
	case refused != nil:
		return Outcome{}, refused
	case err != nil && began.IsZero():
		return Outcome{}, err
	case err != nil && !late:
		return Outcome{Lines: out.lines(), Failed: "is not known to have ended well: " + err.Error()}, nil
	}
	return j.ended(code, late, out), nil
}

// told is a job as the keeper reads it.
func (j Job) told() ([]byte, error) {
	var b bytes.Buffer
	seconds := max(1, int((j.Deadline+time.Second-1)/time.Second))
	fmt.Fprintf(&b, "m%s\nl%d\n", j.ID, seconds)
	for _, name := range slices.Sorted(maps.Keys(j.Env)) {
		fmt.Fprintf(&b, "e%s=%s\n", name, escaped([]byte(j.Env[name])))
		if strings.ContainsRune(j.Env[name], 0) {
			return nil, fmt.Errorf("%s: %w", name, errNul)
		}
	}
	for _, word := range j.Argv {
		fmt.Fprintf(&b, "a%s\n", escaped([]byte(word)))
		if strings.ContainsRune(word, 0) {
			return nil, errNul
		}
	}
	if j.Script != nil {
		fmt.Fprintf(&b, "n%s\n", j.Name)
		for part := range slices.Chunk(j.Script, 1<<10) {
			fmt.Fprintf(&b, "s%s\n", escaped(part))
		}
	}
	b.WriteString("g\n")
	return b.Bytes(), nil
}

// escaped writes bytes so that printf's %b gives them back, in one line of plain
// text.
func escaped(text []byte) string {
	var b strings.Builder
	for _, c := range text {
		if c < ' ' || c >= 0x7f || c == '\\' {
			fmt.Fprintf(&b, `\0%03o`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// feed is the keeper's input: what to run, from when begin has let it, and then
// nothing until it is closed.
type feed struct {
	text  *bytes.Reader
	begin func() error
	gone  chan struct{}
	once  sync.Once

	mu      sync.Mutex
	began   time.Time // zero: begin was not called
	refused error     // by begin
}

// Read begins the job, and ends with it.
func (f *feed) Read(p []byte) (int, error) {
	if err := f.start(); err != nil {
		return 0, io.EOF
	}
	if f.text.Len() > 0 {
		return f.text.Read(p)
	}
	<-f.gone
	return 0, io.EOF
}

func (f *feed) start() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.began.IsZero() {
		f.began, f.refused = time.Now(), f.begin()
	}
	return f.refused
}

func (f *feed) state() (began time.Time, refused error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.began, f.refused
}

// Close ends it.
func (f *feed) Close() error {
	f.once.Do(func() { close(f.gone) })
	return nil
}
