package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/compiler/client"
	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// Names of the files that keygen writes.
const (
	secretKeyName     = "secret.key"
	evaluationKeyName = "evaluation.key"
)

// keyMode is the mode of key files: their owner's alone.
const keyMode = 0o600

func (a *app) keygenCommand() *cobra.Command {
	var dir string
	var force bool
	cmd := &cobra.Command{
		Use:   "keygen NAME.client.fheml -o DIR",
		Short: "Make a client's two keys",
		Long: `Keygen draws a fresh pair of keys for a model and writes them to a folder, readable by their owner alone:

  DIR/secret.key      encrypts rows and reads answers. It stays with the client: who has it can read everything.
  DIR/evaluation.key  lets a server compute. Send it to the server; it reads nothing.

The folder is made if it is not there. Keys that are there already are not replaced, as what was encrypted with them
could never be read again: --force does it nevertheless.`,
		Example: `  fhe-ml keygen model.client.fheml -o keys`,
		Args:    one("NAME.client.fheml"), ValidArgsFunction: fileArgument("fheml"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if dir == "" {
				return usagef("keygen: -o is missing; give the folder for the keys, like -o keys")
			}
			return a.keygen(cmd.Context(), args[0], dir, force)
		},
	}
	cmd.Flags().StringVarP(&dir, "output", "o", "", "write the keys to the folder `DIR`")
	must(cmd.MarkFlagDirname("output"))
	cmd.Flags().BoolVar(&force, "force", false, "replace keys that are there already")
	return cmd
}

func (a *app) keygen(ctx context.Context, path, dir string, force bool) error {
	file, err := openClient(path)
	if err != nil {
		return err
	}
	made, err := makeFolder(dir)
	if err != nil {
		return err
	}
	names := []string{filepath.Join(dir, secretKeyName), filepath.Join(dir, evaluationKeyName)}
	for _, name := range names {
		if _, err := os.Lstat(name); err == nil && !force {
			return fmt.Errorf("%s: is there already, and what was encrypted with it could not be read without it; give another folder, or --force to replace it", name)
		}
	}
	err = a.writeKeys(ctx, file, names)
	if err != nil && made {
		os.Remove(dir)
	}
	return err
}

// makeFolder makes a folder for keys if it is not there, and tells whether it did.
func makeFolder(dir string) (made bool, err error) {
	st, err := os.Stat(dir)
	switch {
	case err == nil && !st.IsDir():
		return false, fmt.Errorf("%s: is no folder; give another place for the keys", dir)
	case err == nil:
		return false, nil
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return false, fmt.Errorf("%s: cannot be made: %w", dir, cause(err))
	}
	return true, nil
}

func (a *app) writeKeys(ctx context.Context, file *models.ClientFile, names []string) error {
	bar := a.progress("keys", 0)
	keys, err := models.GenerateKeys(ctx, file, bar.reporter())
	bar.done()
	if err != nil {
		return err
	}
	err = writeAll(ctx,
		output{path: names[0], mode: keyMode, write: writerTo(keys.Secret)},
		output{path: names[1], mode: keyMode, write: writerTo(keys.Evaluation)})
	if err != nil {
		return err
	}
	a.note("%s (%s): keep it secret, and keep a copy: without it no answer can be read", names[0], size(fileBytes(names[0])))
	a.note("%s (%s): give it to the server", names[1], size(fileBytes(names[1])))
	return nil
}

func writerTo(v io.WriterTo) func(io.Writer) error {
	return func(w io.Writer) error { _, err := v.WriteTo(w); return err }
}

// apartOptions are the flags of encrypt, run and decrypt.
type apartOptions struct {
	key, input, output, target, request string
	rows                                int
	json                                bool
}

// check reports the first of the flags that is missing.
func (o *apartOptions) check(cmd *cobra.Command, output bool) error {
	for _, flag := range []struct {
		name, value, what string
		needed            bool
	}{
		{"key", o.key, "the key that keygen made, like --key keys", cmd.Name() != "run"}, // some models need none
		{"input", o.input, "the file to read", true},
		{"output", o.output, "the file to write, like -o FILE; - is standard output", output},
	} {
		if flag.needed && flag.value == "" {
			return usagef("%s: --%s is missing; give %s", cmd.Name(), flag.name, flag.what)
		}
	}
	return nil
}

func (a *app) encryptCommand() *cobra.Command {
	var o apartOptions
	cmd := &cobra.Command{
		Use:   "encrypt NAME.client.fheml --key DIR/secret.key --input DATA -o REQUEST",
		Short: "Encrypt rows for a server",
		Long: `Encrypt reads the rows of DATA, encrypts each and writes them to one file, for fhe-ml run or for a server. It prints
first how large that will be. Values outside the range that the model was calibrated for are counted: the nearest value
inside is used.`,
		Example: `  fhe-ml encrypt model.client.fheml --key keys/secret.key --input rows.csv -o rows.request
  fhe-ml encrypt model.client.fheml --key keys --input rows.npy --rows 10 -o -`,
		Args: one("NAME.client.fheml"), ValidArgsFunction: fileArgument("fheml"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd, true); err != nil {
				return err
			}
			return a.encrypt(cmd.Context(), args[0], o)
		},
	}
	addFile(cmd, &o.key, "key", "secret key: `FILE`, or the folder that keygen wrote it to", "key")
	addFile(cmd, &o.input, "input", "`DATA` with the rows: .csv with a header row, or .npy", "csv", "npy")
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "write the encrypted rows to `REQUEST`; - is standard output")
	cmd.Flags().Var(&number{&o.rows, 1, math.MaxInt32, "all"}, "rows", "encrypt only the first N rows")
	cmd.Flags().StringVar(&o.target, "target", "", "`COLUMN` with the true answers; it is not encrypted")
	return cmd
}

func (a *app) encrypt(ctx context.Context, path string, o apartOptions) error {
	file, cl, err := a.openParts(path, o)
	if err != nil {
		return err
	}
	r, err := openRows(o.input, clientInfo(file), o.target, o.rows)
	if err != nil {
		return err
	}
	a.noteOrder(r)
	a.note("%s, %s encrypted (%s a row)", plural(len(r.x), "row"), size(cl.RequestBytes(len(r.x))), size(file.Spec.RequestBytes()))
	p := &predicted{clippedRows: make([]int, len(file.Pre.Columns))}
	err = a.writeResult(ctx, o.output, func(w io.Writer) error {
		bar := a.progress("encrypt", len(r.x))
		defer bar.done()
		done, err := cl.EncryptRows(ctx, w, r.x, bar.reporter())
		if err != nil {
			return fmt.Errorf("%s: %w", r.path, r.named(err))
		}
		for _, clips := range done.Clips {
			for _, c := range clips {
				p.clippedRows[c.Feature]++
			}
		}
		return nil
	})
	if err == nil {
		a.warnClipped(r, p)
	}
	return err
}

// clientInfo is what a client file tells about the columns of a row.
func clientInfo(f *models.ClientFile) *models.Info {
	return &models.Info{Features: f.Pre.Columns, Named: f.Pre.Named, Pipeline: f.Pre.Pipeline, Float32: f.Pre.Float32}
}

func (a *app) runCommand() *cobra.Command {
	var o apartOptions
	cmd := &cobra.Command{
		Use:   "run NAME.fheml --key DIR/evaluation.key --input REQUEST -o RESPONSE",
		Short: "Compute a model on encrypted rows, without being able to read them",
		Long: `Run is the server's part: it computes the model's answers on the rows that fhe-ml encrypt wrote, with the client's
evaluation key, and writes the encrypted answers to one file, in the same order. It runs rows on all cores and keeps only a
few in memory. Models without lookups and packed bits (fhe-ml inspect says "evaluation key none") need no --key.`,
		Example: `  fhe-ml run model.fheml --key keys/evaluation.key --input rows.request -o rows.response
  fhe-ml run linear.fheml --input rows.request -o rows.response --threads 1`,
		Args: one("NAME.fheml"), ValidArgsFunction: fileArgument("fheml"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd, true); err != nil {
				return err
			}
			return a.runRows(cmd.Context(), args[0], o)
		},
	}
	addFile(cmd, &o.key, "key", "evaluation key: `FILE`, or the folder that keygen wrote it to", "key")
	cmd.Flags().StringVar(&o.input, "input", "", "`REQUEST` that encrypt wrote; - is standard input")
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "write the encrypted answers to `RESPONSE`; - is standard output")
	return cmd
}

func (a *app) runRows(ctx context.Context, path string, o apartOptions) error {
	if err := a.mayWrite(o.output, path, o.input, o.key); err != nil {
		return err
	}
	c, err := openModel(path)
	if err != nil {
		return err
	}
	srv, err := c.NewServer()
	if err != nil {
		return err
	}
	srv.SetThreads(a.threads)
	if o.key == "" && srv.NeedsKey() {
		return fmt.Errorf("%s: this model needs the client's evaluation key; give it with --key", path)
	}
	in, err := openInput(o.input)
	if err != nil {
		return err
	}
	defer in.Close()
	if o.key != "" {
		key, err := openKey(o.key, evaluationKeyName, tfhe.KindEvaluationKey, tfhe.ReadEvaluationKey)
		if err != nil {
			return err
		}
		bar := a.progress("load key", 0)
		err = srv.LoadKey(ctx, key, bar.reporter())
		bar.done()
		if err != nil {
			return fmt.Errorf("%s: %w", o.key, err)
		}
	}
	return a.writeResult(ctx, o.output, func(w io.Writer) error {
		bar := a.progress("run", 0)
		defer bar.done()
		out := &sink{w: w}
		_, err := srv.RunBatch(ctx, out, in, bar.reporter())
		if err != nil && out.err == nil {
			return fmt.Errorf("%s: %w", o.input, err)
		}
		return err
	})
}

func (a *app) decryptCommand() *cobra.Command {
	var o apartOptions
	cmd := &cobra.Command{
		Use:   "decrypt NAME.client.fheml --key DIR/secret.key --input RESPONSE",
		Short: "Read a server's encrypted answers",
		Long: `Decrypt reads the answers that fhe-ml run or a server wrote and prints the predictions as fhe-ml predict does, in the
order of the rows: label,score_<class>,... for classifiers; prediction, or prediction_<i>, for regressors.

Answers of another key or another model, and files that are damaged or cut short, are refused. With --request the answers
must be those to that file.`,
		Example: `  fhe-ml decrypt model.client.fheml --key keys/secret.key --input rows.response
  fhe-ml decrypt model.client.fheml --key keys --input rows.response --request rows.request --output answers.csv`,
		Args: one("NAME.client.fheml"), ValidArgsFunction: fileArgument("fheml"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd, false); err != nil {
				return err
			}
			return a.decrypt(cmd.Context(), args[0], o)
		},
	}
	addFile(cmd, &o.key, "key", "secret key: `FILE`, or the folder that keygen wrote it to", "key")
	cmd.Flags().StringVar(&o.input, "input", "", "`RESPONSE` to read; - is standard input")
	cmd.Flags().StringVar(&o.request, "request", "", "the `REQUEST` file that must have been answered")
	addFile(cmd, &o.output, "output", "write the predictions to `FILE`; - is standard output", "csv", "json")
	cmd.Flags().BoolVar(&o.json, "json", false, "write one JSON object")
	return cmd
}

func (a *app) decrypt(ctx context.Context, path string, o apartOptions) error {
	file, cl, err := a.openParts(path, o)
	if err != nil {
		return err
	}
	var batch [16]byte
	if o.request != "" {
		if batch, err = batchID(o.request, &file.Spec); err != nil {
			return err
		}
	}
	in, err := openInput(o.input)
	if err != nil {
		return err
	}
	defer in.Close()
	bar := a.progress("decrypt", 0)
	predictions, err := cl.DecryptRows(ctx, in, batch, bar.reporter())
	bar.done()
	if err != nil {
		return fmt.Errorf("%s: %w", o.input, err)
	}
	p := &predicted{predictions: predictions}
	write := func(w io.Writer) error {
		if o.json {
			return writeJSON(w, decryptedJSON{Rows: len(predictions), Predictions: p.json("encrypted", &file.Post, nil).Predictions})
		}
		return writeCSV(w, &file.Post, predictions)
	}
	if o.output == "" || o.output == "-" {
		return a.emit(write)
	}
	return a.writeResult(ctx, o.output, write)
}

// decryptedJSON is the JSON object of decrypt.
type decryptedJSON struct {
	Rows        int              `json:"rows"`
	Predictions []predictionJSON `json:"predictions"`
}

// batchID reads the name of a batch of requests.
func batchID(path string, spec *compiler.ClientSpec) ([16]byte, error) {
	in, err := openInput(path)
	if err != nil {
		return [16]byte{}, err
	}
	defer in.Close()
	r, err := compiler.NewRequestReader(in, spec)
	if err != nil {
		return [16]byte{}, fmt.Errorf("%s: %w", path, err)
	}
	return r.ID(), nil
}

// openClient reads NAME.client.fheml.
func openClient(path string) (*models.ClientFile, error) {
	kind, err := peek(path)
	switch {
	case err != nil:
		return nil, err
	case kind == 0:
		return nil, fmt.Errorf("%s: is not a NAME.client.fheml file; make one with fhe-ml convert", path)
	case kind == tfhe.KindModel:
		return nil, fmt.Errorf("%s: is the server's file, with the whole model; give the NAME.client.fheml that convert wrote beside it", path)
	case kind != tfhe.KindClient:
		return nil, fmt.Errorf("%s: is a %s of fhe-ml; give the NAME.client.fheml that convert wrote", path, kind)
	}
	return readFrom(path, models.ReadClientFile)
}

// openParts reads the client file and the secret key, where the result can be written.
func (a *app) openParts(path string, o apartOptions) (*models.ClientFile, *models.Client, error) {
	if err := a.mayWrite(o.output, path, o.input, o.key, o.request); err != nil {
		return nil, nil, err
	}
	file, err := openClient(path)
	if err != nil {
		return nil, nil, err
	}
	cl, err := a.openSecret(file, o.key)
	return file, cl, err
}

// openSecret makes the client of a secret key.
func (a *app) openSecret(file *models.ClientFile, path string) (*models.Client, error) {
	sk, err := openKey(path, secretKeyName, tfhe.KindSecretKey, tfhe.ReadSecretKey)
	if err != nil {
		return nil, err
	}
	cl, err := models.NewClient(file, sk)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if st, err := os.Stat(keyPath(path, secretKeyName)); err == nil && st.Mode().IsRegular() && readableByOthers(st) {
		a.note("%s: others can read this key; chmod 600 keeps it to you", keyPath(path, secretKeyName))
	}
	return cl, nil
}

// keyPath is the key's file, which may be named by its folder.
func keyPath(path, name string) string {
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		return filepath.Join(path, name)
	}
	return path
}

// openKey reads a key.
func openKey[K any](path, name string, kind tfhe.Kind, read func(io.Reader) (K, error)) (key K, err error) {
	path = keyPath(path, name)
	f, err := os.Open(path)
	if err != nil {
		return key, err
	}
	defer f.Close()
	if key, err = read(f); err != nil {
		hint := "make keys again with fhe-ml keygen"
		if errors.Is(err, tfhe.ErrKind) {
			hint = "give the " + name + " that fhe-ml keygen wrote"
		}
		return key, fmt.Errorf("%s: %w; %s", path, err, hint)
	}
	return key, nil
}

// openInput opens a file of requests or responses; - is standard input.
func openInput(path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(os.Stdin), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err == nil && st.IsDir() {
		f.Close()
		return nil, fmt.Errorf("%s: is a folder; give a file", path)
	}
	return f, nil
}

// writeResult writes a command's result: to a file, whole or not at all, to what is no regular file as it is, or to standard output (-).
func (a *app) writeResult(ctx context.Context, path string, write func(io.Writer) error) error {
	if path == "-" {
		if isTerminal(a.stdout) {
			return errors.New("these are no characters for a terminal; give -o FILE, or a pipe")
		}
		return pour(a.stdout, "", write)
	}
	device, err := stream(path)
	if err != nil {
		return err
	}
	if device != nil {
		defer device.Close()
		return pour(device, path, write)
	}
	return writeAll(ctx, output{path: path, write: write})
}

// pour writes a result to what is no regular file; path is "" for standard output.
func pour(w io.Writer, path string, write func(io.Writer) error) error {
	out := &sink{w: w}
	err := write(out)
	if out.err != nil {
		return unwritable(path, out.err)
	}
	return err
}

// mayWrite reports, before slow work, that a result cannot be written to its place, or would be written over what is read.
func (a *app) mayWrite(path string, inputs ...string) error {
	if path == "" || path == "-" {
		return nil
	}
	if st, err := os.Stat(path); err != nil || st.Mode()&(os.ModeDevice|os.ModeNamedPipe) == 0 {
		if _, err := place(path); err != nil {
			return err
		}
	}
	for _, in := range inputs {
		if in != "" && sameFile(path, in) {
			return fmt.Errorf("%s: is read by this command; give another --output", path)
		}
	}
	return nil
}

// keysOf reads both keys of a folder, for predict --server.
func keysOf(dir string) (*client.Keys, error) {
	sk, err := openKey(dir, secretKeyName, tfhe.KindSecretKey, tfhe.ReadSecretKey)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, evaluationKeyName)
	if strings.EqualFold(filepath.Base(dir), secretKeyName) {
		path = filepath.Join(filepath.Dir(dir), evaluationKeyName)
	}
	ek, err := openKey(path, evaluationKeyName, tfhe.KindEvaluationKey, tfhe.ReadEvaluationKey)
	if err != nil {
		return nil, err
	}
	if ek.ID() != sk.ID() {
		return nil, fmt.Errorf("%s: is not the evaluation key of the secret key beside it; make keys again with fhe-ml keygen", path)
	}
	return &client.Keys{Secret: sk, Evaluation: ek}, nil
}
