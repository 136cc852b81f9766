package compiler

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// slot is a place in a layer of a picture: a box, or a wire that passes it on its way to lower layers.
type slot struct {
	box   *box
	above []*slot
	below []*slot
	x, w  float64
	order float64
}

func (s *slot) middle() float64 { return s.x + s.w/2 }

// layout gives boxes their places and returns the wires as paths, with the size of the page. A box stands one layer below the lowest of those that it takes;
// wires over several layers get a slot in each between, so that they run beside boxes and not behind them. Slots of a layer are sorted by the means of
// their neighbours (the barycenter heuristic of Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system structures", 1981).
func layout(boxes []*box) (wires []string, width, height float64) {
	layers := makeLayers(boxes)
	for pass := range 8 {
		for i := range layers {
			at := i
			if pass%2 == 1 {
				at = len(layers) - 1 - i
			}
			sortLayer(layers[at], pass%2 == 0)
		}
	}
	for _, layer := range layers {
		pack(layer, func(s *slot) float64 { return s.middle() })
	}
	for pass := range 6 {
		for i := range layers {
			if pass%2 == 0 {
				pack(layers[i], func(s *slot) float64 { return mean(s.above, s.middle()) })
			} else {
				pack(layers[len(layers)-1-i], func(s *slot) float64 { return mean(s.below, s.middle()) })
			}
		}
	}
	left := math.Inf(1)
	for _, layer := range layers {
		for _, s := range layer {
			left = min(left, s.x)
		}
	}
	y := pageMargin
	type band struct{ top, bottom float64 }
	bands := make([]band, len(layers))
	for i, layer := range layers {
		tall := 0.0
		for _, s := range layer {
			s.x += pageMargin - left
			width = max(width, s.x+s.w+pageMargin)
			if s.box != nil {
				s.box.x, s.box.y, s.box.w = s.x, y, s.w
				tall = max(tall, s.box.h)
			}
		}
		bands[i] = band{y, y + tall}
		y += tall + rowGap
	}
	height = max(y-rowGap+pageMargin, 2*pageMargin)
	for i, layer := range layers {
		for _, s := range layer {
			for _, up := range s.above {
				bottom := bands[i-1].bottom
				if up.box != nil {
					bottom = up.box.y + up.box.h
				}
				wires = append(wires, wire(up.middle(), bottom, s.middle(), bands[i].top, s.box == nil, bands[i].bottom))
			}
		}
	}
	return wires, max(width, 2*pageMargin), height
}

// wire is a curve from one place down to another, on through the layer where it passes that.
func wire(x0, y0, x1, y1 float64, through bool, end float64) string {
	var b strings.Builder
	bend := (y1 - y0) / 2
	fmt.Fprintf(&b, "M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f", x0, y0, x0, y0+bend, x1, y1-bend, x1, y1)
	if through {
		fmt.Fprintf(&b, "V%.1f", end)
	}
	return b.String()
}

// makeLayers puts boxes, and slots for the wires that pass, into layers.
func makeLayers(boxes []*box) [][]*slot {
	depth := make([]int, len(boxes))
	slots := make([]*slot, len(boxes))
	var layers [][]*slot
	wires := map[[2]int]*slot{} // (node, layer): one wire for all that take a node further down
	for id, b := range boxes {
		if b == nil {
			continue
		}
		from := sources(boxes, b)
		for _, f := range from {
			depth[id] = max(depth[id], depth[f.node.ID]+1)
		}
		wide := 0
		for _, line := range b.lines {
			wide = max(wide, utf8.RuneCountInString(line))
		}
		b.w, b.h = float64(wide)*charWidth+2*boxPad, float64(len(b.lines))*lineHeight+2*boxPad
		for len(layers) <= depth[id] {
			layers = append(layers, nil)
		}
		s := &slot{box: b, w: b.w}
		slots[id] = s
		for _, f := range from {
			up := slots[f.node.ID]
			for at := depth[f.node.ID] + 1; at < depth[id]; at++ {
				key := [2]int{f.node.ID, at}
				if wires[key] == nil {
					wires[key] = &slot{w: wireWidth}
					join(up, wires[key])
					layers[at] = append(layers[at], wires[key])
				}
				up = wires[key]
			}
			join(up, s)
		}
		layers[depth[id]] = append(layers[depth[id]], s)
	}
	for _, layer := range layers {
		for i, s := range layer {
			s.order = float64(i)
		}
	}
	return layers
}

func join(up, down *slot) {
	up.below = append(up.below, down)
	down.above = append(down.above, up)
}

// sortLayer sorts a layer by the mean place of its neighbours above or below.
func sortLayer(layer []*slot, above bool) {
	at := map[*slot]float64{}
	for _, s := range layer {
		near := s.below
		if above {
			near = s.above
		}
		at[s] = s.order
		if len(near) > 0 {
			sum := 0.0
			for _, n := range near {
				sum += n.order
			}
			at[s] = sum / float64(len(near))
		}
	}
	slices.SortStableFunc(layer, func(a, b *slot) int {
		switch {
		case at[a] < at[b]:
			return -1
		case at[a] > at[b]:
			return 1
		}
		return 0
	})
	for i, s := range layer {
		s.order = float64(i)
	}
}

// mean is the mean middle of slots, or other where there are none.
func mean(slots []*slot, other float64) float64 {
	if len(slots) == 0 {
		return other
	}
	sum := 0.0
	for _, s := range slots {
		sum += s.middle()
	}
	return sum / float64(len(slots))
}

// pack moves the slots of a layer as near to the wanted middles as their order and widths allow: runs of slots that would overlap share the mean of their shifts.
func pack(layer []*slot, want func(*slot) float64) {
	type run struct {
		first, last int
		shift       float64 // mean of the wanted left edges, less the places inside a packed layer
	}
	edge := make([]float64, len(layer)+1) // left edges of a layer without holes
	for i, s := range layer {
		edge[i+1] = edge[i] + s.w + columnGap
	}
	var runs []run
	for i, s := range layer {
		runs = append(runs, run{i, i, want(s) - s.w/2 - edge[i]})
		for k := len(runs) - 1; k > 0 && runs[k-1].shift > runs[k].shift; k-- {
			a, b := runs[k-1], runs[k]
			na, nb := float64(a.last-a.first+1), float64(b.last-b.first+1)
			runs = append(runs[:k-1], run{a.first, b.last, (a.shift*na + b.shift*nb) / (na + nb)})
		}
	}
	for _, r := range runs {
		for i := r.first; i <= r.last; i++ {
			layer[i].x = edge[i] + r.shift
		}
	}
}
