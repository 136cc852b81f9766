package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/fhe-ml/fhe-ml/cmd/fhe-ml/bench"
	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/compiler/client"
	"github.com/fhe-ml/fhe-ml/compiler/server"
	"github.com/fhe-ml/fhe-ml/models"
)

// calibration says how this machine's times compare with the costs that come with the program, by the kind of work. It changes estimates alone: circuits and
// their parameters are chosen with the program's costs, so that a model converts to the same file everywhere.
type calibration struct {
	CPU     string             `json:"cpu"`     // a cached one is for this processor
	Version string             `json:"version"` // and this program
	Date    string             `json:"date"`
	Factors map[string]float64 `json:"factors"` // time here / time by the program's costs, by kind
}

// kinds of work: the steps of a circuit that dominate its time, the dearest first.
var kinds = []string{"lookup", "rotate", "select", "product"}

// kindOf is the kind of work that dominates a circuit.
func kindOf(c *compiler.Circuit) string {
	var has [4]bool
	for _, s := range c.Steps {
		has[0] = has[0] || s.Lookup != nil || s.Round != nil || s.Extract != nil
		has[1] = has[1] || s.Rotate != nil
		has[2] = has[2] || s.Select != nil
	}
	for i, there := range has {
		if there {
			return kinds[i]
		}
	}
	return "product"
}

// factor of a kind of work; 1 where nothing was measured.
func (c *calibration) factor(kind string) float64 {
	if c == nil {
		return 1
	}
	return c.Factors[kind]
}

// calibrationPath is where the measurement is kept.
func calibrationPath() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "fhe-ml", "calibration.json"), nil
}

// mostCalibration bounds the file.
const mostCalibration = 1 << 16

// readCalibration returns the cached measurement, or nil where there is none of this processor and program.
func readCalibration() *calibration {
	path, err := calibrationPath()
	if err != nil {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, mostCalibration))
	var c calibration
	if err != nil || json.Unmarshal(data, &c) != nil || c.CPU != bench.CPU() || c.Version != versionText() {
		return nil
	}
	for _, kind := range kinds {
		if v := c.Factors[kind]; !(v > 1e-3 && v < 1e4) {
			return nil
		}
	}
	return &c
}

// local is the cached measurement, read once.
func (a *app) local() *calibration {
	if !a.calibrationRead {
		a.calibrationRead, a.calibration = true, readCalibration()
	}
	return a.calibration
}

// summary is the model's summary with the time that it takes on this machine, as far as that was measured.
func (a *app) summary(c *models.Compiled) models.Summary {
	s := c.Summary()
	s.EstimatedMs *= a.local().factor(kindOf(c.Circuit))
	return s
}

func (a *app) calibrateCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "calibrate",
		Short: "Measure how fast this machine is, for estimates",
		Long: `Calibrate measures for some seconds how long this machine takes for the four kinds of work that models are made of, and
keeps the result in your cache folder. Estimates of convert, inspect, predict and bench are then for this machine; before,
they are for the one that the program's costs were measured on. Nothing else changes: a model converts to the same file
everywhere. Let the machine rest meanwhile.`,
		Example: `  fhe-ml calibrate
  fhe-ml calibrate --json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("calibrate: takes no arguments, not %q; see fhe-ml calibrate --help", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return a.calibrate(cmd.Context(), asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func (a *app) calibrate(ctx context.Context, asJSON bool) error {
	path, err := calibrationPath()
	if err != nil {
		return fmt.Errorf("there is no cache folder to keep the measurement in: %w; set HOME or XDG_CACHE_HOME", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return fmt.Errorf("%s: %w; set XDG_CACHE_HOME to a folder that can be written", filepath.Dir(path), cause(err))
	}
	c := &calibration{CPU: bench.CPU(), Version: versionText(), Date: time.Now().UTC().Format(time.RFC3339), Factors: map[string]float64{}}
	bar := a.progress("calibrate", len(kinds))
	defer bar.done()
	for _, kind := range kinds {
		circuit, err := await(ctx, func() (*compiler.Circuit, error) { return referenceCircuit(kind) })
		if err != nil {
			return err
		}
		took, err := timeCircuit(ctx, circuit)
		if err != nil {
			return err
		}
		c.Factors[kind] = took / circuit.Costs.EstimatedMs
		bar.step()
	}
	err = writeAll(ctx, output{path: path, write: func(w io.Writer) error { return writeJSON(w, c) }})
	if err != nil || a.quiet && !asJSON {
		return err
	}
	if asJSON {
		return a.emit(func(w io.Writer) error { return writeJSON(w, c) })
	}
	var s sheet
	s.line("processor", "%s", c.CPU)
	for _, kind := range kinds {
		s.line(kind+"s", "%s times as long as by the program's costs", digits(c.Factors[kind]))
	}
	s.line("kept in", "%s", path)
	return a.emit(func(w io.Writer) error { _, err := io.WriteString(w, s.String()); return err })
}

// referenceCircuit is one whose time is that of a kind of work: a model of the demo, or some lookups.
func referenceCircuit(kind string) (*compiler.Circuit, error) {
	var c *compiler.Circuit
	var err error
	if kind == "lookup" {
		c, err = compiler.Compile(lookups(referenceLookups), compiler.CompileOptions{Lowering: compiler.LowerLookup})
	} else {
		file := map[string]string{"product": "logreg.onnx", "select": "gboost.onnx", "rotate": "mlp.onnx"}[kind]
		m, _, rows, loadErr := loadDemo(file, 1)
		if loadErr != nil {
			return nil, loadErr
		}
		var compiled *models.Compiled
		if compiled, err = models.Compile(m, models.CompileOptions{}, rows); err == nil {
			c = compiled.Circuit
		}
	}
	if err == nil && kindOf(c) != kind {
		err = fmt.Errorf("calibrate: the reference of %s is computed by %s", kind, kindOf(c))
	}
	return c, err
}

// referenceLookups is how many lookups are timed together: as a hidden layer has them.
const referenceLookups = 16

// lookups is a graph of n tables of the sum of four inputs.
func lookups(n int) *compiler.Graph {
	const inputs, largest = 4, 7
	g := compiler.NewGraph()
	x := g.Input("x", []int{inputs}, []int64{0}, []int64{largest})
	w := compiler.Array{Shape: []int{inputs, n}, Data: make([]int64, inputs*n)}
	var tables compiler.Table
	for i := range w.Data {
		w.Data[i] = 1
	}
	for i := range n {
		row := make([]int64, inputs*largest+1)
		for z := range row {
			row[z] = int64((z*z + i) % 16)
		}
		tables.Lo, tables.Values = append(tables.Lo, 0), append(tables.Values, row)
	}
	g.Output(g.Lookup(g.MatMul(x, g.Constant(w)), tables))
	return g
}

// Each circuit runs for calibrationTime, at least fewestRuns times.
const (
	calibrationTime = 400 * time.Millisecond
	fewestRuns      = 3
)

// timeCircuit measures a row of a circuit on one core, in milliseconds: the first quartile of its runs, which other programs disturb less than the median.
func timeCircuit(ctx context.Context, c *compiler.Circuit) (float64, error) {
	keys, err := client.GenerateKeys(ctx, &c.Spec, nil)
	if err != nil {
		return 0, err
	}
	encrypter, err := client.New(&c.Spec, keys.Secret)
	if err != nil {
		return 0, err
	}
	s, err := server.New(c)
	if err != nil {
		return 0, err
	}
	s.SetThreads(1)
	if err := s.LoadKey(ctx, keys.Evaluation, nil); err != nil {
		return 0, err
	}
	req, err := encrypter.Encrypt(c.Spec.Lo) // the time does not depend on what is encrypted
	if err != nil {
		return 0, err
	}
	if _, err := s.Run(ctx, req); err != nil { // the first one also makes scratch memory
		return 0, err
	}
	var took []float64
	for begin := time.Now(); len(took) < fewestRuns || time.Since(begin) < calibrationTime; {
		start := time.Now()
		if _, err := s.Run(ctx, req); err != nil {
			return 0, err
		}
		took = append(took, ms(time.Since(start)))
	}
	slices.Sort(took)
	return max(took[len(took)/4], math.SmallestNonzeroFloat64), nil
}
