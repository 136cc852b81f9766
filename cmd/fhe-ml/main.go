// Command fhe-ml compiles trained models for inference under fully homomorphic encryption, and tries them out.
//
//	fhe-ml convert model.onnx --calibration rows.csv     # compile: model.fheml for the server, model.client.fheml for clients
//	fhe-ml inspect model.fheml                           # kind, sizes, parameters, and what a client file gives away
//	fhe-ml explain model.fheml                           # how it is computed, node by node: bounds, noise, time
//	fhe-ml predict model.fheml --input rows.csv          # be client and server at once, with keys made for the occasion
//	fhe-ml bench model.fheml --input rows.csv --target label  # what encryption costs in accuracy and time, as a page
//	fhe-ml demo                                          # the same on three models that come with the program
//
// Client and server apart, through files:
//
//	fhe-ml keygen model.client.fheml -o keys             # client: secret.key stays, evaluation.key goes to the server
//	fhe-ml encrypt model.client.fheml --key keys --input rows.csv -o rows.request
//	fhe-ml run model.fheml --key evaluation.key --input rows.request -o rows.response
//	fhe-ml decrypt model.client.fheml --key keys --input rows.response
//
// or over HTTP:
//
//	fhe-ml serve model.fheml                             # server: sees ciphertexts only
//	fhe-ml predict --server http://127.0.0.1:8000 --input rows.csv
//
// Pipes can rely on standard output: it carries the requested table, sheet or JSON object, and whatever else there is to say (a progress bar, a warning, the
// line that explains a failure) is on standard error. A script can tell a failure (status 1) from a mistake in the command line (status 2). A file is written
// under a temporary name and moved into place last, so that an interrupted command leaves none half done.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// version is set by the linker: -X main.version=v1.2.3.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run executes one command line and returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (status int) {
	defer func() {
		if p := recover(); p != nil {
			status = report(stderr, recovered(p))
		}
	}()
	a := &app{stdout: stdout, stderr: stderr}
	if f, ok := stderr.(*os.File); ok {
		a.terminal = term.IsTerminal(int(f.Fd()))
	}
	root := a.rootCommand()
	root.SetArgs(args)
	help := &watched{Writer: stdout}
	root.SetOut(help)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if help.err != nil && (err == nil || errors.Is(err, help.err)) {
		err = unwritable("", help.err)
	}
	return report(stderr, err)
}

// watched keeps the first error of a writer, for cobra, which looks at none when it prints help.
type watched struct {
	io.Writer
	err error
}

func (w *watched) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if w.err == nil {
		w.err = err
	}
	return n, err
}

// app is what the commands share: streams and global flags.
type app struct {
	stdout, stderr io.Writer
	stdoutName     string // for errors, where stdout is a device that --output names
	terminal       bool   // stderr is one
	threads        int    // 0: all cores
	quiet          bool

	calibration     *calibration // of this machine; see local
	calibrationRead bool
}

// note prints a message for people, unless --quiet.
func (a *app) note(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintln(a.stderr, visible(fmt.Sprintf(format, args...)))
	}
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "fhe-ml",
		Short: "Machine-learning models on encrypted data",
		Long: `fhe-ml compiles a trained model (exported to ONNX from scikit-learn, XGBoost, LightGBM or PyTorch) for fully homomorphic
encryption. Whoever runs the result gets ciphertexts as input and gives ciphertexts as answers; only the holder of the
secret key, who made the input, can read them.`,
		Example: `  fhe-ml demo
  fhe-ml convert model.onnx --calibration rows.csv
  fhe-ml inspect model.fheml
  fhe-ml predict model.fheml --input rows.csv`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			what := fmt.Sprintf("unknown command %q", args[0])
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				return usagef("%s; did you mean %s?", what, near[0])
			}
			return usagef("%s; see fhe-ml --help", what)
		},
		RunE: func(*cobra.Command, []string) error {
			return usagef("no command given; try fhe-ml demo, or see fhe-ml --help")
		},
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if a.threads > 0 {
				runtime.GOMAXPROCS(a.threads)
			}
			return nil
		},
		SuggestionsMinimumDistance: 2,
	}
	flags := root.PersistentFlags()
	flags.Var(&number{value: &a.threads, min: 1, max: 4096, word: "all"}, "threads", "processor cores to use")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "no progress and no messages: only results and errors")
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(a.convertCommand(), a.inspectCommand(), a.explainCommand(), a.predictCommand(),
		a.keygenCommand(), a.encryptCommand(), a.runCommand(), a.decryptCommand(), a.serveCommand(), a.benchCommand(), a.calibrateCommand(), a.demoCommand())
	root.SetHelpCommand(helpCommand())
	for _, cmd := range append(root.Commands(), root) {
		cmd.Version = versionText()
		cmd.SetVersionTemplate("fhe-ml {{.Version}}\n")
		cmd.Flags().SortFlags = false
	}
	return root
}

// helpCommand is cobra's, but an unknown topic is wrong use.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			topic, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("no help on %q; see fhe-ml --help", strings.Join(args, " "))
			}
			topic.InitDefaultHelpFlag()
			topic.InitDefaultVersionFlag()
			return topic.Help()
		},
	}
}

// versionText is the linked version, or else what the build recorded, with the Go release and the platform.
func versionText() string {
	v := version
	if v == "dev" {
		if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
			v = info.Main.Version
		}
	}
	return fmt.Sprintf("%s (%s, %s/%s)", v, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
