package server

import (
	"context"
	"time"

	"github.com/fhe-ml/fhe-ml/compiler"
)

// Part is how long one kind of work took in a row.
type Part struct {
	Name     string // client bits, product, select, rotate, affine, lookup, round, extract, codes
	Duration time.Duration
}

// RunTimed is [Server.Run] that also tells where the time went: the parts in the order in which they first occur, each with the sum over its steps. "client bits"
// is making the client's encrypted bits ready: expanding packed ones, and transforms.
func (s *Server) RunTimed(ctx context.Context, req *compiler.Request) (*compiler.Response, []Part, error) {
	var spent clock
	res, err := s.run(ctx, req, 1, &spent)
	return res, spent.parts, err
}

// clock adds up times by name. A nil one does nothing.
type clock struct {
	last  time.Time
	parts []Part
}

func (c *clock) start() {
	if c != nil {
		c.last = time.Now()
	}
}

// stop gives the time since start or the last stop to the named part.
func (c *clock) stop(name string) {
	if c == nil {
		return
	}
	now := time.Now()
	d := now.Sub(c.last)
	c.last = now
	for i := range c.parts {
		if c.parts[i].Name == name {
			c.parts[i].Duration += d
			return
		}
	}
	c.parts = append(c.parts, Part{name, d})
}

// kind names a step.
func kind(st compiler.Step) string {
	switch {
	case st.Packed != nil:
		return "product"
	case st.Select != nil:
		return "select"
	case st.Rotate != nil:
		return "rotate"
	case st.Affine != nil:
		return "affine"
	case st.Lookup != nil:
		return "lookup"
	case st.Round != nil:
		return "round"
	case st.Extract != nil:
		return "extract"
	}
	return "codes"
}
