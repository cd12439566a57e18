package schemas

import (
	"strings"
	"unicode/utf8"
)

// DidYouMean returns ", did you mean X?" for the candidate nearest to name,
// or nothing when none is near enough to be meant.
func DidYouMean(name string, candidates []string) string {
	if near := Nearest(name, candidates); near != "" {
		return ", did you mean " + near + "?"
	}
	return ""
}

// Nearest returns the candidate that differs least from name, compared
// without case, or "" when even that one differs in more than a third of its
// letters, or has none in common: a far-fetched suggestion misleads more than none.
func Nearest(name string, candidates []string) string {
	best, bestDistance := "", 1<<30
	for _, c := range candidates {
		if d := editDistance(strings.ToLower(name), strings.ToLower(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	letters := max(utf8.RuneCountInString(name), utf8.RuneCountInString(best))
	if bestDistance > max(1, letters/3) || bestDistance >= letters {
		return ""
	}
	return best
}

// editDistance counts insertions, deletions, replacements and swaps of
// neighbours (optimal string alignment) that turn a into b.
func editDistance(a, b string) int {
	s, t := []rune(a), []rune(b)
	before, last, row := make([]int, len(t)+1), make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(s); i++ {
		row[0] = i
		for j := 1; j <= len(t); j++ {
			cost := 1
			if s[i-1] == t[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(t)]
}
