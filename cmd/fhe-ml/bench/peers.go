package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// peerFiles matches what [SavePeer] writes below the user's cache folder.
const peerFiles = "peers-*.json"

// mostPeer bounds such a file.
const mostPeer = 1 << 20

// SavePeer keeps a table of times against another program, which make bench-peers measured on this machine, for the reports of this machine. The name
// tells tables apart: a later one of the same name takes the place of the earlier.
func SavePeer(name, title, text string) error {
	dir, err := os.UserCacheDir()
	if err != nil {
		return fmt.Errorf("bench: no place to keep the table: %w", err)
	}
	data, err := json.Marshal(Peer{Title: title, Text: text, Date: time.Now().UTC().Format(time.RFC3339), CPU: CPU()})
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	dir = filepath.Join(dir, "fhe-ml")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	temp, err := os.CreateTemp(dir, ".peers")
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	defer os.Remove(temp.Name()) // fails once it is in place
	_, err = temp.Write(data)
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(temp.Name(), filepath.Join(dir, "peers-"+name+".json"))
	}
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}

// Peers are the tables that were measured on this processor, by name. Files that are damaged or from another one are passed over.
func Peers() []Peer {
	dir, err := os.UserCacheDir()
	if err != nil {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(dir, "fhe-ml", peerFiles))
	if err != nil {
		return nil
	}
	slices.Sort(files)
	var out []Peer
	for _, path := range files {
		if p, ok := readPeer(path); ok && p.CPU == CPU() && p.Text != "" {
			out = append(out, p)
		}
	}
	return out
}

func readPeer(path string) (p Peer, ok bool) {
	f, err := os.Open(path)
	if err != nil {
		return p, false
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, mostPeer))
	return p, err == nil && json.Unmarshal(data, &p) == nil
}
