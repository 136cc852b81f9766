package numpy

// expr is an expression of the accepted subset.
type expr interface{ where() place }

type (
	nameExpr struct {
		at   place
		name string
	}
	prefixedExpr struct { // f"..." and the like
		at     place
		prefix string
	}
	constExpr struct {
		at    place
		value any
	} // int64, float64, string, bool, nil, ellipsis
	unaryExpr struct {
		at place
		op string
		x  expr
	}
	binaryExpr struct {
		at   place
		op   string
		x, y expr
	}
	// compareExpr is a chain a < b < c.
	compareExpr struct {
		at  place
		ops []string
		xs  []expr
	}
	// boolExpr is a chain of one of and, or.
	boolExpr struct {
		at place
		op string
		xs []expr
	}
	condExpr struct {
		at            place
		cond, yes, no expr
	}
	callExpr struct {
		at    place
		fn    expr
		args  []expr
		names []string
	} // names[i] is empty for an argument by position, "*" for one that is unpacked
	attrExpr struct {
		at   place
		x    expr
		name string
	}
	itemExpr struct {
		at    place
		x     expr
		index expr
	} // a tuple for several
	sliceExpr struct {
		at             place
		from, to, step expr
	}
	listExpr struct {
		at    place
		items []expr
		tuple bool
	}
	lambdaExpr struct {
		at     place
		params []param
		body   expr
	}
	compExpr struct {
		at    place
		item  expr
		loops []compLoop
		tuple bool
	}
)

// compLoop is one "for target in iterable if cond..." of a comprehension.
type compLoop struct {
	target   expr
	iterable expr
	conds    []expr
}

type param struct {
	at     place
	name   string
	preset expr // default; nil if there is none
}

func (e *nameExpr) where() place     { return e.at }
func (e *constExpr) where() place    { return e.at }
func (e *prefixedExpr) where() place { return e.at }
func (e *unaryExpr) where() place    { return e.at }
func (e *binaryExpr) where() place   { return e.at }
func (e *compareExpr) where() place  { return e.at }
func (e *boolExpr) where() place     { return e.at }
func (e *condExpr) where() place     { return e.at }
func (e *callExpr) where() place     { return e.at }
func (e *attrExpr) where() place     { return e.at }
func (e *itemExpr) where() place     { return e.at }
func (e *sliceExpr) where() place    { return e.at }
func (e *listExpr) where() place     { return e.at }
func (e *lambdaExpr) where() place   { return e.at }
func (e *compExpr) where() place     { return e.at }

// stmt is a statement of the accepted subset.
type stmt interface{ where() place }

type (
	exprStmt struct {
		at place
		x  expr
	}
	assignStmt struct {
		at      place
		targets []expr
		value   expr
	} // a = b = value
	augStmt struct {
		at     place
		target expr
		op     string
		value  expr
	}
	returnStmt struct {
		at    place
		value expr
	} // nil for none
	forStmt struct {
		at               place
		target, iterable expr
		body             []stmt
	}
	ifStmt struct {
		at      place
		cond    expr
		yes, no []stmt
	}
	defStmt struct {
		at     place
		name   string
		params []param
		body   []stmt
	}
	importStmt struct {
		at    place
		names [][2]string
	} // module (or module.name), bound name
	flowStmt struct {
		at   place
		word string
	} // pass, break, continue
	assertStmt struct {
		at   place
		cond expr
	}
)

func (s *exprStmt) where() place   { return s.at }
func (s *assignStmt) where() place { return s.at }
func (s *augStmt) where() place    { return s.at }
func (s *returnStmt) where() place { return s.at }
func (s *forStmt) where() place    { return s.at }
func (s *ifStmt) where() place     { return s.at }
func (s *defStmt) where() place    { return s.at }
func (s *importStmt) where() place { return s.at }
func (s *flowStmt) where() place   { return s.at }
func (s *assertStmt) where() place { return s.at }
