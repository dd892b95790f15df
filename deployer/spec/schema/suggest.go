package schema

import "slices"

// Suggest returns `did you mean "hosts"?` for the known word nearest to word,
// "" when none is near.
func Suggest(word string, known []string) string {
	best, distance := "", max(len(word)/3, 2)+1
	for _, k := range slices.Sorted(slices.Values(known)) {
		if d := editDistance(word, k); d < distance && d < len(k) {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return `did you mean "` + best + `"?`
}

// editDistance is Levenshtein's, by bytes, given up beyond 64 of them.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return len(a) + len(b)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
