package compiler

// CompileDiagrams is [Compile] without packed functions of single codes: for tests of what else there is.
func CompileDiagrams(g *Graph, opts CompileOptions) (*Circuit, error) {
	if opts.Log2PFail == 0 {
		opts.Log2PFail = -128
	}
	return compile(g, opts, false)
}

// CompileRelaxed is [Compile] for failure probabilities so high that tests can count failures.
func CompileRelaxed(g *Graph, opts CompileOptions) (*Circuit, error) { return compile(g, opts, false) }

// SimulatedPhases are the phases of the last row's results, for each item those of its coefficients.
func SimulatedPhases(s *Simulator) [][]uint64 { return s.phases }
