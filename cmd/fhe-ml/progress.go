package main

import (
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/fhe-ml/fhe-ml/tfhe"
)

// progress shows how much of a slow job is done: a bar with the time that is left, where standard error is a terminal, and nothing elsewhere.
type progress struct{ bar *progressbar.ProgressBar }

// progress starts a bar of total steps; a total of 0 is set by the first report.
func (a *app) progress(what string, total int) *progress {
	if a.quiet || !a.terminal {
		return &progress{}
	}
	return &progress{progressbar.NewOptions(max(total, 1),
		progressbar.OptionSetWriter(a.stderr),
		progressbar.OptionSetDescription(what),
		progressbar.OptionSetWidth(30),
		progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetRenderBlankState(true),
	)}
}

// reporter is the form that packages report in.
func (p *progress) reporter() tfhe.Progress {
	if p.bar == nil {
		return nil
	}
	return func(done, total int) {
		if p.bar.GetMax() != total {
			p.bar.ChangeMax(total)
		}
		// Reports come from several goroutines and may overtake each other. A full bar stops; done does that.
		if done < total && float64(done) > p.bar.State().CurrentPercent*float64(total) {
			p.bar.Set(done)
		}
	}
}

// step adds one.
func (p *progress) step() {
	if p.bar != nil && !p.bar.IsFinished() {
		p.bar.Add(1)
	}
}

// done takes the bar away.
func (p *progress) done() {
	if p.bar != nil {
		p.bar.Clear()
		p.bar.Exit()
	}
}
