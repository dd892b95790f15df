package schema

import (
	"strings"
	"unicode/utf8"
)

// A template in the file is masked before the YAML is parsed by a placeholder
// of the same width: a start rune, the index in private digits, filling. So
// no template can change the structure of the file, and columns stay right.
// Private-use runes that the file itself contains are refused.
const (
	maskStart = '\uE000'
	maskFill  = '\uE001'
	maskDigit = '\uE010'
)

// maskDigits is the number of digits of a placeholder in base 16.
const maskDigits = 3

// MaxTemplates is the number of templates that placeholders can tell apart.
const MaxTemplates = 1 << (4 * maskDigits)

// MinMask is the smallest width of a placeholder in runes.
const MinMask = 1 + maskDigits

// Mask returns the placeholder of a template, width runes wide.
func Mask(index, width int) string {
	var b strings.Builder
	b.WriteRune(maskStart)
	for shift := 4 * (maskDigits - 1); shift >= 0; shift -= 4 {
		b.WriteRune(maskDigit + rune(index>>shift&15))
	}
	for range width - MinMask {
		b.WriteRune(maskFill)
	}
	return b.String()
}

// IsMask tells whether r is reserved for placeholders.
func IsMask(r rune) bool { return r >= maskStart && r < maskDigit+16 }

// segment is a piece of a scalar: literal text, or a placeholder.
type segment struct {
	literal string
	index   int // -1 for a literal
}

// segments splits text into literals and placeholders.
func segments(text string) []segment {
	var out []segment
	for text != "" {
		i := strings.IndexRune(text, maskStart)
		if i < 0 {
			return append(out, segment{text, -1})
		}
		if i > 0 {
			out = append(out, segment{text[:i], -1})
		}
		text = text[i+utf8.RuneLen(maskStart):]
		index := 0
		for range maskDigits {
			r, size := utf8.DecodeRuneInString(text)
			if r < maskDigit || r > maskDigit+15 {
				break
			}
			index, text = index<<4|int(r-maskDigit), text[size:]
		}
		text = strings.TrimLeft(text, string(maskFill))
		out = append(out, segment{"", index})
	}
	return out
}
