package compiler

// CompileDiagrams is [Compile] without packed functions of single codes: for tests of what else there is.
func CompileDiagrams(g *Graph, opts CompileOptions) (*Circuit, error) { return compile(g, opts, false) }
