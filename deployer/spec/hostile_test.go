package spec_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

// What refusing one file may take: of a processor five times that, for slow
// machines; bytes are all that is allocated on the way, not only what is held at once.
const (
	refusedWithin = 50 * time.Millisecond
	refusedWith   = 64 << 20
)

// hostile is a file that has to be refused, and the first line of the refusal.
type hostile struct{ name, file, want string }

// small is what every file needs; keys of a case follow on line 4.
const small = "service: app\nimage: acme/app\nservers: [10.0.0.1]\n"

// at is a case of small and one more line or more, refused at line 4 or below.
func at(name, more, want string) hostile {
	return hostile{name, small + more + "\n", "config/deploy.yml:" + want}
}

// under writes a dotted path as flow maps: proxy.run.debug, x is
// "proxy: {run: {debug: x}}". It returns the column of the value, too.
func under(path, value string) (line string, column int) {
	keys := strings.Split(path, ".")
	head := strings.Join(keys, ": {") + ": "
	return head + value + strings.Repeat("}", len(keys)-1), len(head) + 1
}

// each makes a case of every path with the same value and message.
func each(what, value, message string, paths ...string) []hostile {
	var cases []hostile
	for _, path := range paths {
		line, column := under(path, value)
		cases = append(cases, at(what+" at "+path, line, fmt.Sprintf("4:%d: %s: %s", column, path, message)))
	}
	return cases
}

// words splits a list of paths.
func words(text string) []string { return strings.Fields(text) }

func wrongTypes() []hostile {
	texts := words(`primary_role minimum_version asset_path error_pages_path hooks_path secrets_path readiness_delay
		deploy_timeout drain_timeout stop_timeout registry.server proxy.ssl_redirect proxy.response_timeout
		proxy.healthcheck.path proxy.buffering.memory proxy.run.version ssh.user ssh.proxy ssh.log_level builder.context
		builder.dockerfile builder.target builder.driver builder.ssh boot.wait logging.driver x-fairlead.window
		x-fairlead.on_failure x-fairlead.image_tag x-fairlead.self_heal`)
	maps := words(`env labels proxy ssh sshkit boot logging output aliases registry builder x-fairlead accessories
		proxy.healthcheck proxy.buffering proxy.logging proxy.run proxy.run.options builder.args builder.cache builder.pack
		logging.options output.otel output.file x-fairlead.roles env.clear env.tags`)
	lists := words(`volumes proxy.hosts proxy.path_prefixes proxy.run.bind_ips builder.secrets ssh.keys ssh.key_data
		env.secret x-fairlead.follow builder.arch proxy.logging.request_headers`)
	numbers := words(`retain_containers proxy.app_port proxy.run.http_port proxy.run.metrics_port ssh.port
		sshkit.max_concurrent_starts sshkit.dns_retries`)
	var cases []hostile
	for _, more := range [][]hostile{
		each("a list", "[a, b]", "must be a single value", texts...),
		each("a map", "{a: b}", "must be a single value", texts[:12]...),
		each("a text", "text", "must be a map of keys and values", maps...),
		each("a map", "{a: b}", "must be a list (write it as a list: - VALUE)", lists...),
		each("a list", "[1]", "must be a number", numbers...),
		each("a word", "many", `"many" is not a whole number`, numbers...),
		each("a fraction", "1.5", `"1.5" is not a whole number`, numbers[:3]...),
		each("a number past all", "99999999999999999999", `"99999999999999999999" is not a whole number`, numbers[:3]...),
	} {
		cases = append(cases, more...)
	}
	return cases
}

func wrongValues() []hostile {
	bools := words(`allow_empty_roles require_destination proxy.ssl_redirect proxy.forward_headers proxy.strip_path_prefix
		proxy.run.debug proxy.run.publish ssh.keys_only ssh.forward_agent boot.parallel_roles x-fairlead.self_heal x-fairlead.prune builder.local`)
	durations := words(`deploy_timeout drain_timeout stop_timeout readiness_delay boot.wait proxy.healthcheck.interval x-fairlead.window`)
	choices := each("a word nobody knows", "zzz", `"zzz" is not known here (one of rollback, halt)`, "x-fairlead.on_failure")
	choices = append(choices, each("a word nobody knows", "zzz", `"zzz" is not known here (one of debug, info, warn, error, fatal)`, "ssh.log_level")...)
	var cases []hostile
	for _, more := range [][]hostile{
		each("maybe", "maybe", `"maybe" is not true or false (write true or false)`, bools...),
		each("soon", "soon", `"soon" is not a duration (write seconds (30) or a text ("30s", "2m"))`, durations...),
		each("a month", "720h", "720h is not between 0 and 7 days", durations...),
		each("endless", ".inf", `".inf" is not a duration (write seconds (30)`, durations[:1]...),
		each("no size", "lots", `"lots" is not a size (write bytes (1000000) or a text ("10m"))`, words("proxy.buffering.memory proxy.buffering.max_request_body")...),
		each("out of the repository", "../../etc", `"../../etc" is not a path in the repository (write it relative to the repository)`, words("hooks_path secrets_path error_pages_path")...),
		each("from the root", "/etc/shadow", `"/etc/shadow" is not a path in the repository (write it relative to the repository)`, words("hooks_path secrets_path error_pages_path")...),
		choices,
	} {
		cases = append(cases, more...)
	}
	return cases
}

func wrongKeys() []hostile {
	var cases []hostile
	for _, path := range words(`proxy proxy.healthcheck proxy.buffering proxy.logging proxy.run ssh sshkit boot logging output
		output.otel output.file registry builder builder.cache builder.pack x-fairlead x-fairlead.proxy env.tags.a.clear`) {
		line, column := under(path, "{hozts: 1}")
		if path == "env.tags.a.clear" {
			line, column = under(path, "{HOST-A B: 1}")
			cases = append(cases, at("a name with a blank at "+path, line, fmt.Sprintf("4:%d: %s.HOST-A B: ", column+1, path)))
			continue
		}
		cases = append(cases, at("an unknown key at "+path, line, fmt.Sprintf(`4:%d: %s: unknown key "hozts"`, column+1, path)))
	}
	for _, path := range words("proxy proxy.run ssh labels env.clear builder.args aliases logging.options x-fairlead") {
		line, column := under(path, "{debug: 1, debug: 2}")
		cases = append(cases, at("a key twice at "+path, line,
			fmt.Sprintf("4:%d: %s.debug: written already at line 4 (merge them or remove one)", column+11, path)))
	}
	for _, key := range words("Service SERVICE hosts image: server env_file secrets role volume accessory builders") {
		key = strings.TrimSuffix(key, ":")
		if key == "image" {
			continue
		}
		cases = append(cases, at("an unknown root key "+key, key+": 1", fmt.Sprintf("4:1: unknown key %q", key)))
	}
	return cases
}

// bytesOfEvil are characters that no editor shows and YAML or a terminal would
// act on.
func bytesOfEvil() []hostile {
	var cases []hostile
	for _, r := range []rune{0, 1, 7, 8, 11, 12, 14, 27, 31, 127, 0xFEFF, 0xFFFE, 0xFFFF} {
		cases = append(cases, at(fmt.Sprintf("U+%04X in a value", r), "env: {A: x"+string(r)+"y}",
			fmt.Sprintf("4:11: character U+%04X is not allowed (remove it)", r)))
	}
	for _, r := range []rune{'\r', 0x85, 0x2028, 0x2029} {
		cases = append(cases, at(fmt.Sprintf("U+%04X as a line end", r), "env: {A: x}"+string(r)+"ssh: {}",
			fmt.Sprintf("4:12: line end U+%04X is not allowed (end lines with a line feed)", r)))
	}
	for _, b := range []byte{0x80, 0xBF, 0xC0, 0xF5, 0xFF} {
		cases = append(cases, at(fmt.Sprintf("the byte %02x", b), "# x"+string([]byte{b}),
			fmt.Sprintf("4:4: byte 0x%02x is not UTF-8 (save the file as UTF-8)", b)))
	}
	for name, c := range map[string]string{
		"an overlong slash": "\xc0\xaf", "half a character": "\xe2\x82", "a surrogate": "\xed\xa0\x80", "past Unicode": "\xf4\x90\x80\x80",
	} {
		cases = append(cases, at(name, "env: {A: "+c+"}", fmt.Sprintf("4:10: byte 0x%02x is not UTF-8", c[0])))
	}
	const top = "config/deploy.yml:1:1: "
	return append(cases,
		hostile{"UTF-16 little endian", "\xff\xfes\x00e\x00", top + "the file is UTF-16 (save it as UTF-8)"},
		hostile{"UTF-16 big endian", "\xfe\xff\x00s\x00e", top + "the file is UTF-16 (save it as UTF-8)"},
		hostile{"an empty file", "", top + "image: is missing (as in image: myorg/myapp)"},
		hostile{"only comments", "# nothing\n", top + "image: is missing"},
		hostile{"only a null", "~\n", top + "image: is missing"},
		hostile{"a gzip", "\x1f\x8b\x08\x00", top + "character U+001F is not allowed"},
		hostile{"an ELF program", "\x7fELF\x02", top + "character U+007F is not allowed"},
	)
}

func evilYAML() []hostile {
	var cases []hostile
	for _, tag := range words("!!binary !!set !!omap !!pairs !!timestamp !include !ruby/symbol !ruby/regexp !python/object/apply:os.system !<tag:evil,2000:x>") {
		shown := strings.NewReplacer("!<", "", ">", "").Replace(tag)
		cases = append(cases, at("the tag "+tag, "env: {A: "+tag+" x}", "4:10: env.A: the tag "+shown+" is not supported (write the value without the tag)"))
	}
	return append(cases,
		at("a tab as indentation", "proxy:\n\thost: a", "5:2: YAML: found character that cannot start any token (indent with spaces, not tabs)"),
		at("a tab in a list", "volumes:\n\t- a:/b", "5:2: YAML: found character that cannot start any token (indent with spaces, not tabs)"),
		at("a list as a key", "labels: {[a]: b}", "4:10: labels: a key must be a word"),
		at("a map as a key", "labels: {{a: b}: c}", "4:10: labels: a key must be a word"),
		at("an anchor that holds itself", "env: &a {A: *a}", "4:6: values nest deeper than 32"),
		at("a merge of itself", "x-a: &a\n  <<: *a", "4:6: values nest deeper than 32"),
		at("an alias of nothing", "env: *nobody", "4:6: no anchor &nobody is above this line"),
		at("a second document", "---\nservice: other", "4:1: a second document begins here (keep one document per file)"),
		at("a quote that stays open", "env: {A: \"x}", "4:1: YAML: found unexpected end of stream"),
		at("a bracket that stays open", "volumes: [a:/a", "4:1: YAML: did not find expected ',' or ']'"),
		at("a directive inside", "%YAML 1.1\n---", "4:1: a second document begins here"),
		at("a block without its end", "env: |x", "4:1: YAML: did not find expected comment or line break"),
		at("a merge of a list of texts", "env: {<<: [a, b]}", "4:12: env[0]: << needs a map (as in <<: *name)"),
	)
}

func bombs() []hostile {
	laugh := "x-0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]\n"
	for i := 1; i < 9; i++ {
		laugh += fmt.Sprintf("x-%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), ", "))
	}
	lolMap := "x-0: &m0 {a: 1, b: 1}\n"
	for i := 1; i < 20; i++ {
		lolMap += fmt.Sprintf("x-%d: &m%d {a: *m%d, b: *m%d}\n", i, i, i-1, i-1)
	}
	merges := "x-0: &k0 {k0: 1}\n"
	for i := 1; i < 40; i++ {
		merges += fmt.Sprintf("x-%d: &k%d\n  <<: [*k%d, *k%d]\n  k%d: 1\n", i, i, i-1, i-1, i)
	}
	var manyKeys, manyHosts, anchors strings.Builder
	for i := range 30_000 {
		fmt.Fprintf(&manyKeys, "  K%d: 1\n", i)
		fmt.Fprintf(&manyHosts, "  - h%d\n", i)
		fmt.Fprintf(&anchors, "- &a%d x\n", i)
	}
	const unknown = `unknown key "nope"`
	const tooMany, deep = "the file has more than 20000 values", "values nest deeper than 32"
	nested := func(open string, n int) string { return "x-a: " + strings.Repeat(open, n) }
	return []hostile{
		at("a billion laughs", laugh, "4:23: "+tooMany+" (use fewer aliases)"),
		at("a billion laughs of maps", lolMap, "4:20: "+tooMany),
		at("a billion merges", merges, "6:8: "+deep),
		at("thirty thousand keys", "env:\n"+manyKeys.String(), "20001:9: "+tooMany),
		at("thirty thousand hosts", "x-hosts:\n"+manyHosts.String(), "19999:5: "+tooMany),
		at("thirty thousand anchors", "x-a:\n"+anchors.String(), "19999:3: "+tooMany),
		at("an endless flow list", "x-a: ["+strings.Repeat("a,", 60_000)+"]", "4:79994: "+tooMany),
		at("brackets without end", nested("[", 100_000), "4:134: "+deep),
		at("braces without end", nested("{a: ", 100_000), "4:518: "+deep),
		at("dashes without end", strings.Repeat("- ", 50_000), "4:257: "+deep),
		at("a ladder of maps", ladder(2_000), "37:34: "+deep),
		at("nine thousand keys", many("env:", "  K%d: 1")+"nope: 1", "9005:1: "+unknown),
		at("nine thousand keys, merged", many("x-a: &a", "  K%d: 1")+"env: {<<: *a, L: {}}\nnope: 1", "9005:18: "),
		at("nine thousand secrets", many("env:\n  secret:", "    - K%d")+"nope: 1", "9006:1: "+unknown),
		at("nine thousand hosts", many("accessories:\n  a:\n    image: x\n    hosts:", "      - h%d")+"nope: 1", "9008:1: "+unknown),
		at("nine thousand labels of Traefik", many("labels:", "  traefik.http.routers.r%d.rule: Host(`h%[1]d.example`)")+"nope: 1", "1005:36: labels.traefik.http.routers.r1000.rule: more than 1000 host names"),
		at("nine thousand labels nobody knows", many("labels:", "  traefik.x%d: y")+"nope: 1", "9005:1: "+unknown),
		at("nine thousand aliases of docker", many("proxy:\n  run:\n    options:", "      f%d: y")+"nope: 1", "7:7: "),
		at("nine thousand tags", many("env:\n  tags:", "    t%d: {A: 1}")+"nope: 1", "9006:1: "+unknown),
		at("a hundred roles on a hundred hosts", roles(90, 90)+"nope: 1", "96:1: "+unknown),
		at("nine thousand unknown keys", many("x-a: 1", "k%d: 1"), `5:1: unknown key "k0"`),
		at("nine thousand unknown keys below", many("proxy:", "  k%d: 1"), `5:3: proxy: unknown key "k0"`),
		at("nine thousand unknown roles", many("x-fairlead:\n  roles:", "    k%d: {}"), `6:5: x-fairlead.roles.k0: there is no role "k0"`),
		at("nine thousand accessories", many("accessories:", "  k%d: {}"), "5:7: accessories.k0: has no image"),
		at("a list in a list in a list", nested("[", 60)+"x"+strings.Repeat("]", 60), "4:"),
		{"a file of two megabytes", small + "env: {A: " + strings.Repeat("x", 2<<20) + "}\n", "config/deploy.yml:1:1: the file is larger than 1024 KiB"},
		{"a comment of two megabytes", small + "# " + strings.Repeat("x", 2<<20), "config/deploy.yml:1:1: the file is larger than 1024 KiB"},
		at("a huge host", "accessories: {a: {image: x, host: "+strings.Repeat("h", 900_000)+"}}", "4:"),
		at("a huge key", strings.Repeat("k", 900_000)+": 1", "4:1: "),
		at("a huge service in an accessory", "accessories: {a: {image: x, host: h, service: "+strings.Repeat("s", 900_000)+"}}", "4:"),
		at("a huge tag", "env: {A: !"+strings.Repeat("t", 900_000)+" x}", "4:"),
		at("a huge template", "env: {A: <%= "+strings.Repeat("(", 300_000)+" %>}", "4:"),
		at("templates without number", "env: {A: \""+strings.Repeat("<%= 1 + %>", 80_000)+"\"}", "4:"),
		at("a template without end", "env: {A: <%= ENV['X']", "4:"),
		at("a huge number", "retain_containers: "+strings.Repeat("9", 900_000), "4:"),
		at("a huge duration", "stop_timeout: "+strings.Repeat("1h", 400_000), "4:"),
		at("a command of brackets", "accessories: {a: {image: x, host: h, cmd: '"+strings.Repeat("(", 900_000)+"'}}", "4:"),
	}
}

// many is nine thousand lines under a key.
func many(head, format string) string {
	var b strings.Builder
	b.WriteString(head + "\n")
	for i := range 9_000 {
		fmt.Fprintf(&b, format+"\n", i)
	}
	return b.String()
}

// roles are n roles on the same m hosts.
func roles(n, m int) string {
	var b strings.Builder
	b.WriteString("x-hosts: &h [h0")
	for i := range m {
		fmt.Fprintf(&b, ", h%d", i+1)
	}
	b.WriteString("]\nroles:\n")
	for i := range n {
		fmt.Fprintf(&b, "  r%d: {hosts: *h, port: 3000}\n", i)
	}
	return b.String()
}

// ladder is n maps, each one blank deeper than the last.
func ladder(n int) string {
	var b strings.Builder
	for i := range n {
		if b.Len() > 700_000 {
			break
		}
		b.WriteString(strings.Repeat(" ", i) + "x-a:\n")
	}
	return b.String()
}

// traps are values that would reach a shell, a path or another's files.
func traps() []hostile {
	accessory := func(key, value, want string) hostile {
		line, column := under("accessories.db", "{image: postgres, host: h, "+key+": ")
		return at(key+": "+value, strings.TrimSuffix(line, "}")+value+"}}", fmt.Sprintf("4:%d: accessories.db.%s", column+len("{image: postgres, host: h, "+key+": ")+strings.Count(want[:len(key)+1], "["), want))
	}
	host := func(text string) hostile {
		return hostile{"the host " + text, "service: app\nimage: a/b\nservers: ['" + text + "']\n", "config/deploy.yml:3:11: servers[0]: "}
	}
	image := func(text string) hostile {
		return hostile{"the image " + text, "service: app\nimage: '" + text + "'\nservers: [h]\n", "config/deploy.yml:2:8: image: "}
	}
	service := func(text string) hostile {
		return hostile{"the service " + text, "service: '" + text + "'\nimage: a/b\nservers: [h]\n", "config/deploy.yml:1:10: service: "}
	}
	return []hostile{
		accessory("files", "[../../../etc/shadow:/x]", `files[0]: "../../../etc/shadow" leads out of the repository (write a path in it)`),
		accessory("files", "[a/../../b:/x]", `files[0]: "a/../../b" leads out of the repository (write a path in it)`),
		accessory("files", "[/etc/shadow:/x]", `files[0]: "/etc/shadow" leads out of the repository (write a path in it)`),
		accessory("directories", "[../../etc:/x]", `directories[0]: "../../etc" leads out of the service's folder (write a path in it)`),
		accessory("files", "[a:b]", "files[0]: must be LOCAL:/REMOTE[:OPTIONS] (as in data:/var/lib/postgresql/data)"),
		accessory("volumes", "['-v:/x']", `volumes[0]: "-v" is neither a path nor a volume's name`),
		accessory("volumes", "['a:/b:exec']", `volumes[0]: "exec" is not a mount option`),
		accessory("port", "70000", `port: "70000" is not a port between 1 and 65535`),
		accessory("port", "'0'", `port: "0" is not a port between 1 and 65535`),
		accessory("service", "'a;b'", `service: "a;b" cannot be a container's name`),
		accessory("options", "[a]", "options: must be a map of keys and values"),
		at("a certificate for nobody", "accessories: {db: {image: x, host: h, proxy: {ssl: true}}}", "4:15: accessories.db: a certificate needs the name of the host"),
		host("10.0.0.1; reboot"), host("-oProxyCommand=x"), host("$(id)"), host("a b"), host("root:x@h"), host("h:0"), host("h:99999"), host("[::1"), host("../sock"), host("user@"), host("`id`"), host("a,b"),
		image("a b"), image("UPPER/app"), image("../app"), image("app:"), image("app:tag with blank"), image("app@sha256:short"), image("http://x/app"), image("-app"), image("app;id"),
		service("a b"), service("-app"), service("a/b"), service("a.b"), service("$(id)"), service(strings.Repeat("s", 64)),
		at("File.read of the machine", "env: {A: <%= File.read('/etc/passwd') %>}", "4:38: env.A: cannot read"),
		at("File.read out of the tree", "env: {A: <%= File.read('../../etc/passwd') %>}", "4:43: env.A: cannot read"),
		at("Ruby's system", "env: {A: <%= system('id') %>}", "4:14: env.A: "),
		at("Ruby's eval", "env: {A: <%= eval(ENV['X']) %>}", "4:14: env.A: "),
		at("Ruby's open", "env: {A: <%= IO.popen('id').read %>}", "4:14: env.A: "),
		at("a loop in a template", "env:\n<% 9999999.times do %>\n  A: 1\n<% end %>", "5:1: unsupported ERB"),
		at("require of a library", "<% require 'dotenv'; Dotenv.load %>", "4:1: unsupported ERB"),
		at("a private key", "ssh: {key_data: ['-----BEGIN OPENSSH PRIVATE KEY-----']}", "4:18: ssh.key_data[0]: a private key does not belong in the file"),
	}
}

func everyHostileFile(t *testing.T) []hostile {
	t.Helper()
	all := append(wrongTypes(), wrongValues()...)
	for _, more := range [][]hostile{wrongKeys(), bytesOfEvil(), evilYAML(), bombs(), traps()} {
		all = append(all, more...)
	}
	for _, name := range files(t, "testdata/bad/*.yml", 60) {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, hostile{filepath.Base(name), string(src), "config/deploy.yml:"})
	}
	return all
}

// allocated is how many bytes the process has allocated, freed ones too.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func TestHostileFilesAreRefusedQuicklyWithTheirPlace(t *testing.T) {
	cases := everyHostileFile(t)
	if len(cases) < 300 {
		t.Errorf("only %d files", len(cases))
	}
	var slowest, largest hostile
	var longest time.Duration
	var most uint64
	for _, c := range cases {
		took, bytes, d, err := refuse(c)
		if took > longest {
			slowest, longest = c, took
		}
		if bytes > most {
			largest, most = c, bytes
		}
		checkRefusal(t, c, d, err)
	}
	t.Logf("%d files; the slowest %s (%s), the largest %d KiB (%s)", len(cases), longest, slowest.name, most>>10, largest.name)
	if underRace {
		return // the detector makes sync.Pool forget at random: these figures are of the plain build
	}
	if longest > 5*refusedWithin {
		t.Errorf("%s: refused after %s; %s are allowed", slowest.name, longest, refusedWithin)
	}
	if most > refusedWith {
		t.Errorf("%s: refused with %d KiB; %d are allowed", largest.name, most>>10, refusedWith>>10)
	}
}

func refuse(c hostile) (took time.Duration, bytes uint64, d *spec.Deploy, err error) {
	fsys := repository(c.file)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, start := allocated(), spent()
	d, _, err = spec.Load(fsys, spec.Options{Env: environment})
	return spent() - start, allocated() - before, d, err
}

// maxRefusal bounds the first line of what a file makes us say.
const maxRefusal = 1000

func checkRefusal(t *testing.T, c hostile, d *spec.Deploy, err error) {
	t.Helper()
	located, ok := errors.AsType[spec.Errors](err)
	if !ok || d != nil {
		t.Errorf("%s: loaded, or refused without a place: %v", c.name, err)
		return
	}
	first := located[0].Error()
	if !strings.HasPrefix(first, c.want) {
		t.Errorf("%s:\n got %.300s\nwant %s", c.name, first, c.want)
	}
	if len(first) > maxRefusal || located[0].Line < 1 || located[0].Column < 1 {
		t.Errorf("%s: %d bytes: %.100s", c.name, len(first), first)
	}
}
