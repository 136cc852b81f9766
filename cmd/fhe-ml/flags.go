package main

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// choice is a flag with a few values.
type choice struct {
	value   *string
	options []string
}

func (c *choice) String() string { return *c.value }
func (c *choice) Type() string   { return strings.Join(c.options, "|") }
func (c *choice) Set(s string) error {
	if !slices.Contains(c.options, s) {
		return &valueError{strings.Join(c.options, ", ")}
	}
	*c.value = s
	return nil
}

// addChoice declares a choice, whose first option is the default, with completion.
func addChoice(cmd *cobra.Command, value *string, name, usage string, options ...string) {
	*value = options[0]
	cmd.Flags().Var(&choice{value, options}, name, usage)
	must(cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(options, cobra.ShellCompDirectiveNoFileComp)))
}

// addFile declares a flag that names a file with one of the extensions.
func addFile(cmd *cobra.Command, value *string, name, usage string, extensions ...string) {
	cmd.Flags().StringVar(value, name, "", usage)
	must(cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(extensions, cobra.ShellCompDirectiveFilterFileExt)))
}

// fileArgument completes an argument with files of the extensions.
func fileArgument(extensions ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(extensions, cobra.ShellCompDirectiveFilterFileExt)
}

// must is for declarations of flags, which fail only where the program is wrong.
func must(err error) {
	if err != nil {
		panic("fhe-ml: " + err.Error())
	}
}

// number is a flag with a positive whole number, or a word for 0, the default.
type number struct {
	value    *int
	min, max int
	word     string
}

func (n *number) String() string {
	if *n.value == 0 {
		return n.word
	}
	return strconv.Itoa(*n.value)
}

func (n *number) Type() string { return "N|" + n.word }

func (n *number) Set(s string) error {
	if s == n.word {
		*n.value = 0
		return nil
	}
	v, err := strconv.Atoi(s)
	if n.word == "all" && n.max == math.MaxInt32 && v > n.max { // Atoi gives the largest int where s is beyond it
		v, err = n.max, nil // more than there can be: all
	}
	if err != nil || v < n.min || v > n.max {
		want := "a whole number of at least " + strconv.Itoa(n.min)
		if n.max < math.MaxInt32 {
			want = "a whole number " + strconv.Itoa(n.min) + " to " + strconv.Itoa(n.max)
		}
		if _, err := strconv.Atoi(n.word); err != nil { // a default that is a number is none of the words
			want += ", or " + n.word
		}
		return &valueError{want}
	}
	*n.value = v
	return nil
}

// failure is the flag of a probability, kept as its log2.
type failure struct{ log2 *float64 }

// The failure probabilities that a circuit can be compiled for.
const (
	minFailureLog2 = -256
	maxFailureLog2 = -20
)

func (f *failure) String() string { return "2^" + strconv.FormatFloat(*f.log2, 'g', -1, 64) }
func (f *failure) Type() string   { return "2^-N" }

// Set reads 2^-N or a decimal number such as 1e-40.
func (f *failure) Set(s string) error {
	bad := &valueError{"2^-N with N from 20 to 256, or a decimal such as 1e-40"}
	var v float64
	var err error
	if exponent, ok := strings.CutPrefix(s, "2^"); ok {
		v, err = strconv.ParseFloat(exponent, 64)
	} else {
		v, err = strconv.ParseFloat(s, 64)
		v = math.Log2(v)
	}
	if err != nil || !(v >= minFailureLog2 && v <= maxFailureLog2) {
		return bad
	}
	*f.log2 = v
	return nil
}
