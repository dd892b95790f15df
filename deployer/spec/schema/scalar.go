package schema

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	groupedPattern = regexp.MustCompile(`^[-+]?[1-9]\d*(_\d+)+$`)
	sizePattern    = regexp.MustCompile(`^(\d{1,12})([kmg]?)b?$`)
)

// Text reads a scalar as it is written: 0640 stays "0640", 22:22 stays
// "22:22", yes stays "yes". Ruby's :word is "word".
func (v Value) Text() string {
	if s := v.probed(Scalar); s != nil {
		s.Text = true
	}
	switch v.Kind() {
	case Null:
		return ""
	case Scalar:
		return symbol(v.expand(), v.Node.Plain)
	}
	v.Fail("", "must be a single value")
	return ""
}

// Plain reads a scalar for a place where only text fits (environment, labels,
// flags), as Kamal passes it on: yes and on are "true", no and off "false",
// 400_000 is "400000". Quoted text stays as it is, and so do 0640 and 22:22.
func (v Value) Plain() string {
	text := v.Text()
	if v.Node == nil || !v.Node.Plain {
		return text
	}
	if b, ok := parseBool(text); ok {
		return strconv.FormatBool(b)
	}
	if groupedPattern.MatchString(text) {
		return strings.ReplaceAll(text, "_", "")
	}
	return text
}

// Texts reads a list of scalars, or a single one.
func (v Value) Texts() []string {
	var out []string
	for _, item := range v.Items() {
		out = append(out, item.Text())
	}
	return out
}

// Pairs reads a map of free keys to texts as Plain reads them.
func (v Value) Pairs() map[string]string {
	out := map[string]string{}
	v.Each(func(key string, value Value) { out[key] = value.Plain() })
	return out
}

// IsBool tells that the value is true or false in one of YAML 1.1's spellings.
func (v Value) IsBool() bool {
	if s := v.probed(Scalar); s != nil {
		s.Bool = true
		return v.r.probe.run%2 == 0
	}
	if v.Kind() != Scalar || !v.Node.Plain {
		return false
	}
	_, ok := parseBool(v.expand())
	return ok
}

// Bool reads true, yes, on, false, no or off.
func (v Value) Bool() bool {
	if s := v.probed(Scalar); s != nil {
		s.Bool = true
		return true
	}
	b, ok := parseBool(v.Text())
	if !ok && v.Kind() == Scalar {
		v.Fail("write true or false", "%q is not true or false", v.Text())
	}
	return b
}

func parseBool(text string) (value, ok bool) {
	for _, form := range []func(string) string{strings.ToLower, strings.ToUpper, title} {
		switch text {
		case form("true"), form("yes"), form("on"):
			return true, true
		case form("false"), form("no"), form("off"):
			return false, true
		}
	}
	return false, false
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// Int reads a whole number between low and high; 400_000 is a number.
func (v Value) Int(low, high int) int {
	if s := v.probed(Scalar); s != nil {
		s.Number, s.Min, s.Max = true, low, high
		return low
	}
	if v.Kind() != Scalar {
		if v.Kind() != Null {
			v.Fail("", "must be a number")
		}
		return 0
	}
	text := v.Text()
	n, err := strconv.Atoi(strings.ReplaceAll(text, "_", ""))
	if err != nil {
		v.Fail("", "%q is not a whole number", text)
		return 0
	}
	if n < low || n > high {
		v.Fail("", "%d is not between %d and %d", n, low, high)
		return 0
	}
	return n
}

// maxDuration bounds what a person can mean.
const maxDuration = 7 * 24 * time.Hour

// Duration reads seconds (30, 0.5) or a text such as "5s", "1m30s", "250ms".
func (v Value) Duration() time.Duration {
	if s := v.probed(Scalar); s != nil {
		s.Duration = true
		return time.Second
	}
	text := v.Text()
	if v.Kind() != Scalar {
		return 0
	}
	d, err := time.ParseDuration(text)
	if seconds, numeric := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64); numeric == nil {
		err = nil
		d = maxDuration + 1
		if seconds >= 0 && seconds <= maxDuration.Seconds() {
			d = time.Duration(seconds * float64(time.Second))
		}
	}
	switch {
	case err != nil:
		v.Fail(`write seconds (30) or a text ("30s", "2m")`, "%q is not a duration", text)
		return 0
	case d < 0 || d > maxDuration:
		v.Fail("", "%s is not between 0 and 7 days", text)
		return 0
	}
	return d
}

// Bytes reads a size: 1000000, "10m", "1g", "512k" (powers of 1024).
func (v Value) Bytes() int64 {
	if s := v.probed(Scalar); s != nil {
		s.Size = true
		return 0
	}
	text := strings.ToLower(strings.ReplaceAll(v.Text(), "_", ""))
	m := sizePattern.FindStringSubmatch(text)
	if m == nil {
		v.Fail(`write bytes (1000000) or a text ("10m")`, "%q is not a size", text)
		return 0
	}
	n, _ := strconv.ParseInt(m[1], 10, 64)
	shift := map[string]int{"": 0, "k": 10, "m": 20, "g": 30}[m[2]]
	if n > (1<<50)>>shift {
		v.Fail("", "%q is too large", text)
		return 0
	}
	return n << shift
}

// Choice reads one of a few words.
func (v Value) Choice(words ...string) string {
	if s := v.probed(Scalar); s != nil {
		s.Words = slices.Compact(slices.Sorted(slices.Values(append(s.Words, words...))))
		return words[0]
	}
	text := v.Text()
	if v.Kind() == Scalar && !slices.Contains(words, text) {
		hint := Suggest(text, words)
		if hint == "" {
			hint = "one of " + strings.Join(words, ", ")
		}
		v.Fail(hint, "%q is not known here", text)
	}
	return text
}
