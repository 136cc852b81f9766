package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// output is a file to write: the place, the content, and the mode of the file.
type output struct {
	path  string
	write func(io.Writer) error
	mode  os.FileMode // as far as umask leaves it; 0 is 0666
}

// writeAll writes files whole or not at all. Every one is written beside its place under another name first; only then are they moved there. What was moved is
// removed again if a later move fails, unless it replaced a file.
func writeAll(ctx context.Context, outputs ...output) (err error) {
	var temps, created []string
	defer func() {
		if err != nil {
			for _, path := range append(temps, created...) {
				os.Remove(path)
			}
		}
	}()
	for i := range outputs {
		path := &outputs[i].path
		if *path, err = place(*path); err != nil {
			return err
		}
		temp, err := writeTemp(*path, outputs[i].mode, outputs[i].write)
		if err != nil {
			return err
		}
		temps = append(temps, temp)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for i, o := range outputs {
		_, statErr := os.Lstat(o.path)
		if err := os.Rename(temps[i], o.path); err != nil {
			return fmt.Errorf("%s: cannot be written: %w", o.path, cause(err))
		}
		if errors.Is(statErr, os.ErrNotExist) {
			created = append(created, o.path)
		}
	}
	return nil
}

// stream opens what is there already and is no file or folder, such as a pipe or /dev/null: it is written as it is. It returns nil for any other path.
func stream(path string) (io.WriteCloser, error) {
	st, err := os.Stat(path)
	if err != nil || st.Mode()&(os.ModeDevice|os.ModeNamedPipe) == 0 {
		return nil, nil
	}
	return os.OpenFile(path, os.O_WRONLY, 0)
}

// place follows links, so that the file they point to is replaced and not they, and refuses what cannot be replaced.
func place(path string) (string, error) {
	path, err := follow(path)
	if err != nil {
		return "", err
	}
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
		if st.IsDir() {
			return "", fmt.Errorf("%s: is a folder; give the name of a file", path)
		}
		return "", fmt.Errorf("%s: is no regular file; use - to write to standard output", path)
	}
	return path, checkFolder(path)
}

// follow resolves links, also one whose target is not there yet: that will be the file to create.
func follow(path string) (string, error) {
	const mostLinks = 40 // as the kernel of Linux follows
	name := path
	for range mostLinks {
		if real, err := filepath.EvalSymlinks(name); err == nil {
			return real, nil
		}
		target, err := os.Readlink(name)
		if err != nil {
			return name, nil // no link: the file does not exist, or its folder
		}
		if !filepath.IsAbs(target) {
			dir, err := filepath.EvalSymlinks(filepath.Dir(name))
			if err != nil {
				return "", fmt.Errorf("%s: %w; create the folder first", filepath.Dir(name), cause(err))
			}
			target = dir + string(filepath.Separator) + target // not Join: that would take ".." before links are resolved
		}
		name = target
	}
	return "", fmt.Errorf("%s: too many links; give the name of the file itself", path)
}

// checkFolder reports that the folder of a file to be written is not there. Call it before slow work.
func checkFolder(path string) error {
	dir := filepath.Dir(path)
	st, err := os.Stat(dir)
	if err == nil && !st.IsDir() {
		return fmt.Errorf("%s: is no folder; give another place for %s", dir, filepath.Base(path))
	}
	if err != nil {
		return fmt.Errorf("%s: %w; create the folder first", dir, cause(err))
	}
	return nil
}

// writeTemp writes a new file in the folder of path and returns its name. On an error there is no file.
func writeTemp(path string, mode os.FileMode, write func(io.Writer) error) (name string, err error) {
	if mode == 0 {
		mode = 0o666
	}
	var random [6]byte
	rand.Read(random[:])
	name = filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"."+hex.EncodeToString(random[:])+".tmp")
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return "", fmt.Errorf("%s: cannot be written: %w", path, cause(err))
	}
	out := &sink{w: f}
	err = write(out)
	if err != nil && out.err == nil { // nothing was wrong with the file
		f.Close()
		os.Remove(name)
		return "", err
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		os.Remove(name)
		return "", fmt.Errorf("%s: cannot be written: %w", path, cause(err))
	}
	return name, nil
}

// sink remembers the error of a writer, which is none of the input.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	if err != nil {
		s.err = err
	}
	return n, err
}

// cause takes the path and the system call out of an error that names the path already.
func cause(err error) error {
	var path *os.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}

// peek tells which kind of fhe-ml file is at path; 0 for any other file. One that has our extension and not our first bytes is damaged.
func peek(path string) (tfhe.Kind, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.IsDir() {
		return 0, fmt.Errorf("%s: is a folder; give a file", path)
	}
	var head [16]byte
	n, err := io.ReadFull(f, head[:])
	if err == io.EOF {
		return 0, fmt.Errorf("%s: the file is empty; make it again", path)
	}
	if err != nil && err != io.ErrUnexpectedEOF {
		return 0, err
	}
	kind, ok := tfhe.PeekKind(head[:n])
	if !ok && strings.EqualFold(filepath.Ext(path), modelExt) {
		return 0, fmt.Errorf("%s: is a damaged fhe-ml file: it does not begin like one; copy it again, or convert the model again", path)
	}
	return kind, nil
}

// openModel reads NAME.fheml.
func openModel(path string) (*models.Compiled, error) {
	kind, err := peek(path)
	switch {
	case err != nil:
		return nil, err
	case kind == 0:
		return nil, fmt.Errorf("%s: is not a NAME.fheml file; make one with fhe-ml convert", path)
	case kind == tfhe.KindClient:
		return nil, fmt.Errorf("%s: is a client file, which holds no model; give the NAME.fheml that convert wrote beside it", path)
	case kind != tfhe.KindModel:
		return nil, fmt.Errorf("%s: is a %s of fhe-ml and no model; give the NAME.fheml that convert wrote", path, kind)
	}
	return readFrom(path, models.ReadCompiled)
}

// readFrom opens a file and decodes it.
func readFrom[T any](path string, read func(io.Reader) (T, error)) (T, error) {
	f, err := os.Open(path)
	if err != nil {
		var zero T
		return zero, err
	}
	defer f.Close()
	v, err := read(f)
	if err != nil {
		return v, fmt.Errorf("%s: %w; convert the model again", path, err)
	}
	return v, nil
}
