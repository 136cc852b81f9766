package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// lowerings adds how each part of a model is computed, and what other ways would have cost.
func (s *sheet) lowerings(choices []compiler.Choice) {
	title := "computed by"
	for len(choices) > 0 {
		n := 1
		for n < len(choices) && alike(choices[0], choices[n]) {
			n++
		}
		s.lowering(title, choices[0], allParts(choices[:n]))
		title, choices = "", choices[n:]
	}
}

// mostParts is how many parts are named that are computed alike.
const mostParts = 3

// allParts names neighbours that are computed alike, for the same reasons.
func allParts(choices []compiler.Choice) string {
	var names []string
	for _, c := range choices {
		names = append(names, c.Part)
	}
	if more := len(names) - mostParts; more > 0 {
		names = append(names[:mostParts], plural(more, "more part")+" like these")
	}
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return names[0]
}

// lowering adds how a part is computed; no part leaves out which.
func (s *sheet) lowering(title string, c compiler.Choice, part string) {
	why := "which costs least"
	switch {
	case c.Forced:
		why = "as asked with --lowering"
	case allImpossible(c.Alternatives):
		why = "the only way"
	}
	s.line(title, "%s: %s, %s%s", c.Lowering, means(c.Lowering), why, after("; ", part))
	for _, a := range c.Alternatives {
		switch {
		case a.Impossible != "":
			s.line("", "  not %s: %s", a.Lowering, a.Impossible)
		case a.AtLeast:
			s.line("", "  not %s: over %s a row", a.Lowering, milliseconds(a.Estimate.Ms))
		default:
			s.line("", "  not %s: %s a row, request %s, response %s, evaluation key %s", a.Lowering, milliseconds(a.Estimate.Ms), size(a.Estimate.RequestBytes),
				size(a.Estimate.ResponseBytes), keyBytes(a.Estimate.KeyBytes))
		}
	}
}

func allImpossible(alternatives []compiler.Alternative) bool {
	for _, a := range alternatives {
		if a.Impossible == "" {
			return false
		}
	}
	return true
}

// means says in plain words what a lowering does.
func means(l compiler.Lowering) string {
	switch l {
	case compiler.LowerAffine:
		return "one weighted sum of the encrypted inputs"
	case compiler.LowerSelect:
		return "selects between clear values by encrypted bits"
	case compiler.LowerRotate:
		return "tables turned by encrypted bits"
	}
	return "table lookups of encrypted sums (bootstraps)"
}

// keyBytes writes the size of an evaluation key.
func keyBytes(n int64) string {
	if n == 0 {
		return "none"
	}
	return size(n)
}

// lowerError adds the way out of a lowering that was asked for and is impossible.
func lowerError(err error, lowering string) error {
	if impossible := (*compiler.LowerError)(nil); errors.As(err, &impossible) && lowering != "auto" {
		return fmt.Errorf("%w; --lowering %s was asked for: --lowering auto, the default, chooses for each part what is possible", err, lowering)
	}
	return err
}
