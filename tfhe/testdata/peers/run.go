//go:build ignore

// Run times the lookups of this package and those of TFHE-rs on one machine in one run, and prints the ratios: make bench-peers.
//
// It builds the harness of this directory with cargo and the benchmarks of ./tfhe with go, and then, width by width, lets the two take
// turns for some rounds, who begins changing from round to round. What it prints are medians over the rounds; a ratio is the median of the
// rounds' own ratios, so that a machine that slows down for a while slows both sides of it. README.md states the parameter sets.
//
//	go run tfhe/testdata/peers/run.go [-bits 1-8] [-rounds 5] [-time 2s] [-batch 16] [-norm2 1] [-bench BenchmarkLookup]
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	reports "github.com/fhe-ml/fhe-ml/cmd/fhe-ml/bench"
)

const (
	harness = "tfhe/testdata/peers" // from the module's root
	name    = "peer-tfhe-rs"
	lookup  = "BenchmarkLookup" // of norm2 = 1; with Norm16 at the end it is that of 16
)

func main() {
	bits := flag.String("bits", "1-8", "widths: a list of numbers and ranges, 1-4,7")
	rounds := flag.Int("rounds", 5, "rounds of each width")
	duration := flag.Duration("time", 2*time.Second, "time of each measurement")
	batch := flag.Int("batch", 16, "our batch size on two threads")
	norm2 := flag.Int("norm2", 1, "squared 2-norm that the parameter sets of TFHE-rs and ours allow before the lookup: 1 or 16")
	bench := flag.String("bench", "", "our benchmark (that of -norm2), with sub-benchmarks bits=B/batch=S/threads=T")
	flag.Parse()
	widths, err := parseWidths(*bits)
	if err == nil && (*rounds < 1 || *duration < time.Millisecond || flag.NArg() > 0 || (*norm2 != 1 && *norm2 != 16)) {
		err = errors.New("-rounds is at least 1, -time at least 1ms, -norm2 is 1 or 16, and there are no other arguments")
	}
	if *bench == "" {
		*bench = lookup
		if *norm2 == 16 {
			*bench += "Norm16"
		}
	}
	if err == nil {
		err = run(widths, *rounds, *duration, *batch, *norm2, *bench)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-peers:", err)
		os.Exit(1)
	}
}

func parseWidths(list string) ([]int, error) {
	var widths []int
	for _, part := range strings.Split(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.Atoi(first)
		to, errTo := strconv.Atoi(last)
		if err != nil || errTo != nil || from < 1 || to > 8 || from > to {
			return nil, fmt.Errorf("-bits %q: want widths from 1 to 8, such as 1-4,7", list)
		}
		for b := from; b <= to; b++ {
			widths = append(widths, b)
		}
	}
	return widths, nil
}

// findCargo looks in the PATH, and where rustup installs it.
func findCargo() (string, error) {
	if path, err := exec.LookPath("cargo"); err == nil {
		return path, nil
	}
	if home, err := os.UserHomeDir(); err == nil {
		if path, err := exec.LookPath(filepath.Join(home, ".cargo", "bin", "cargo")); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no cargo here: the comparison builds TFHE-rs from crates.io; install Rust (https://rustup.rs) and run it again")
}

func run(widths []int, rounds int, duration time.Duration, batch, norm2 int, bench string) error {
	cargo, err := findCargo()
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(harness, "Cargo.toml")); err != nil {
		return fmt.Errorf("run it from the module's root: %w", err)
	}
	dir, err := os.MkdirTemp("", "bench-peers")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// An interrupt reaches the children as well, which end; what we wait for then fails and run returns through its defers.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt)

	began := time.Now()
	rs, err := buildPeer(cargo)
	if err != nil {
		return err
	}
	ours := filepath.Join(dir, "tfhe.test")
	if out, err := exec.Command("go", "test", "-c", "-o", ours, "./tfhe").CombinedOutput(); err != nil {
		return fmt.Errorf("go test -c ./tfhe: %w\n%s", err, out)
	}
	fmt.Printf("built in %v\n", time.Since(began).Round(time.Second))

	began = time.Now()
	var results []result
	for _, bits := range widths {
		r, err := compare(rs, ours, bits, rounds, duration, batch, norm2, bench)
		if err != nil {
			return fmt.Errorf("%d bits: %w", bits, err)
		}
		results = append(results, r)
	}
	fmt.Printf("measured in %v\n\n", time.Since(began).Round(time.Second))
	var text strings.Builder
	printTable(io.MultiWriter(os.Stdout, &text), results, rounds, duration, batch, norm2)
	return reports.SavePeer("lookups", "Table lookups against TFHE-rs", text.String()) // for fhe-ml bench
}

// buildPeer builds the harness, for this machine's processor as TFHE-rs's own benchmarks are, and returns the program's path.
func buildPeer(cargo string) (string, error) {
	cache, err := os.UserCacheDir() // not in the repository: 200 MB of files that go, git and grep would walk through
	if err != nil {
		return "", err
	}
	target := filepath.Join(cache, "fhe-ml", "peers")
	command := exec.Command(cargo, "build", "--release", "--locked", "--manifest-path", filepath.Join(harness, "Cargo.toml"))
	command.Env = append(os.Environ(), "CARGO_TARGET_DIR="+target)
	if os.Getenv("RUSTFLAGS") == "" {
		command.Env = append(command.Env, "RUSTFLAGS=-C target-cpu=native")
	}
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("cargo build of %s: %w", harness, err)
	}
	program := filepath.Join(target, "release", name)
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	return program, nil
}

// A round is what both sides did in one round: times of one lookup in milliseconds, rates of two threads in lookups per second.
type round struct {
	rsLatency, rsAlone, rsTogether float64
	latency, splitLatency, rate    float64
}

type result struct {
	bits   int
	set    map[string]string // what the peer says about its parameter set
	rounds []round
}

func (r result) median(value func(round) float64) float64 {
	var values []float64
	for _, x := range r.rounds {
		values = append(values, value(x))
	}
	return median(values)
}

func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// compare starts the peer, which generates its keys and then measures once for each line it reads, and takes turns with it.
func compare(rs, ours string, bits, rounds int, duration time.Duration, batch, norm2 int, bench string) (result, error) {
	seconds := strconv.FormatFloat(duration.Seconds(), 'f', -1, 64)
	peer := exec.Command(rs, "-serve", "-norm2", strconv.Itoa(norm2), "-seconds", seconds, strconv.Itoa(bits))
	// Large pages for the peer's keys too, as its documentation advises and as our key has them (glibc 2.35 or newer on Linux).
	peer.Env = append(os.Environ(), "GLIBC_TUNABLES=glibc.malloc.hugetlb=1")
	peer.Stderr = os.Stderr
	stdin, err := peer.StdinPipe()
	if err != nil {
		return result{}, err
	}
	stdout, err := peer.StdoutPipe()
	if err != nil {
		return result{}, err
	}
	if err := peer.Start(); err != nil {
		return result{}, err
	}
	lines := bufio.NewScanner(stdout)
	r := result{bits: bits}
	err = func() error {
		if r.set, err = readLine(lines); err != nil {
			return err
		}
		for i := range rounds {
			var x round
			measureRS := func() error {
				if _, err := io.WriteString(stdin, "measure\n"); err != nil {
					return err
				}
				values, err := readLine(lines)
				if err != nil {
					return err
				}
				return parseRS(values, &x)
			}
			measureOurs := func() error { return runOurs(ours, bits, duration, batch, bench, &x) }
			turns := []func() error{measureRS, measureOurs}
			if i%2 == 1 {
				slices.Reverse(turns)
			}
			for _, turn := range turns {
				if err := turn(); err != nil {
					return err
				}
			}
			fmt.Printf("ours bits=%d latency_ms=%.3f latency2_ms=%.3f rate2=%.3f\n", bits, x.latency, x.splitLatency, x.rate)
			r.rounds = append(r.rounds, x)
		}
		return nil
	}()
	stdin.Close()
	if err != nil {
		peer.Process.Kill()
	}
	if errWait := peer.Wait(); err == nil && errWait != nil {
		err = fmt.Errorf("TFHE-rs: %w", errWait)
	}
	return r, err
}

// readLine passes one line of the peer on to standard output, and returns its key=value fields.
func readLine(lines *bufio.Scanner) (map[string]string, error) {
	if !lines.Scan() {
		return nil, errors.New("TFHE-rs ended before it printed its result")
	}
	fmt.Println(lines.Text())
	values := map[string]string{}
	for _, field := range strings.Fields(lines.Text()) {
		if key, value, ok := strings.Cut(field, "="); ok {
			values[key] = value
		}
	}
	return values, nil
}

func parseRS(values map[string]string, x *round) error {
	for key, to := range map[string]*float64{"latency_ms": &x.rsLatency, "rate2": &x.rsAlone, "rate2_batched": &x.rsTogether} {
		value, err := strconv.ParseFloat(values[key], 64)
		if err != nil || !(value > 0) {
			return fmt.Errorf("TFHE-rs printed no usable %s", key)
		}
		*to = value
	}
	return nil
}

// runOurs runs three of our benchmarks in one process, which generates its keys once before, each as five short ones, and takes their medians.
func runOurs(program string, bits int, duration time.Duration, batch int, bench string, x *round) error {
	width := fmt.Sprintf("^%s$/^bits=%d$", bench, bits)
	pattern := fmt.Sprintf("%s/^batch=1$/^threads=(1|2)$|%s/^batch=%d$/^threads=2$", width, width, batch)
	const parts = 5
	command := exec.Command(program, "-test.run=^$", "-test.bench="+pattern, "-test.benchtime="+(duration/parts).String(),
		"-test.count="+strconv.Itoa(parts), "-test.timeout=1h")
	command.Dir = "tfhe" // as go test does
	out, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", bench, err, out)
	}
	rate := func(batch, threads int) (float64, error) {
		var rates []float64
		prefix := fmt.Sprintf("%s/bits=%d/batch=%d/threads=%d", bench, bits, batch, threads)
		for line := range strings.Lines(string(out)) {
			fields := strings.Fields(line)
			if len(fields) == 0 || (fields[0] != prefix && !strings.HasPrefix(fields[0], prefix+"-")) {
				continue
			}
			for i := 1; i < len(fields); i++ {
				if value, err := strconv.ParseFloat(fields[i-1], 64); err == nil && fields[i] == "lookups/s" && value > 0 {
					rates = append(rates, value)
				}
			}
		}
		if len(rates) > 0 {
			return median(rates), nil
		}
		return 0, fmt.Errorf("no benchmark %s that reports lookups/s", prefix)
	}
	single, err := rate(1, 1)
	if err != nil {
		return err
	}
	split, err := rate(1, 2)
	if err != nil {
		return err
	}
	x.latency, x.splitLatency = 1000/single, 1000/split
	x.rate, err = rate(batch, 2)
	return err
}

func printTable(w io.Writer, results []result, rounds int, duration time.Duration, batch, norm2 int) {
	fmt.Fprintf(w, "Lookups (key switch and bootstrap), failure 2^-128, norm2 = %d, against TFHE-rs 1.8.2 on %s, %d CPUs.\n", norm2, processor(), runtime.NumCPU())
	fmt.Fprintf(w, "Medians over rounds: %d, of %v a measurement. Two threads: ours in batches of %d; TFHE-rs alone (each thread lookup by lookup),\n"+
		"and together (each thread 8 lookups in one walk over the key, from its core_crypto module).\n\n", rounds, duration, batch)
	const format = "%4s | %8s %8s %8s | %8s %8s | %8s %9s %8s %9s %8s\n"
	fmt.Fprintf(w, "%4s | %-26s | %-17s | %s\n", "", "one lookup, one thread", "split on two", "two threads, lookups per second")
	fmt.Fprintf(w, format, "bits", "ours ms", "rs ms", "ratio", "ours ms", "ratio", "ours", "rs alone", "ratio", "together", "ratio")
	fmt.Fprintln(w, strings.Repeat("-", 5)+"+"+strings.Repeat("-", 28)+"+"+strings.Repeat("-", 19)+"+"+strings.Repeat("-", 47))
	number := func(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }
	rate := func(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }
	ratio := func(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) + "x" }
	for _, r := range results {
		fmt.Fprintf(w, format, strconv.Itoa(r.bits),
			number(r.median(func(x round) float64 { return x.latency })),
			number(r.median(func(x round) float64 { return x.rsLatency })),
			ratio(r.median(func(x round) float64 { return x.rsLatency / x.latency })),
			number(r.median(func(x round) float64 { return x.splitLatency })),
			ratio(r.median(func(x round) float64 { return x.rsLatency / x.splitLatency })),
			rate(r.median(func(x round) float64 { return x.rate })),
			rate(r.median(func(x round) float64 { return x.rsAlone })),
			ratio(r.median(func(x round) float64 { return x.rate / x.rsAlone })),
			rate(r.median(func(x round) float64 { return x.rsTogether })),
			ratio(r.median(func(x round) float64 { return x.rate / x.rsTogether })))
	}
	fmt.Fprintln(w)
	for _, r := range results {
		fmt.Fprintf(w, "%d bits: TFHE-rs with %s (2-norm up to %s, failure 2^%s), results of %s entries checked\n", r.bits, r.set["set"], r.set["two_norm"],
			r.set["log2_p_fail"], r.set["checked"])
	}
}

// processor is the processor's name where the system tells it in a file.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
