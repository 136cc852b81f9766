package golearn

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"github.com/fhe-ml/fhe-ml/models"
)

// golearn saves a classifier as a gzip-compressed tar archive (base/serialize.go): an entry CLS_MANIFEST with the text "golearn 1.0", METADATA with a name that
// is often wrong ("KNN" for a forest), and then what the classifier writes:
//
//	ID3DecisionTree, RandomTree, DecisionTreeNode: tree, treeClassAttr
//	BaggedModel: NUM_RANDOM_FEATURES, NUM_CLASSIFIERS, CLASSIFIERS/i//tree, CLASSIFIERS/i//treeClassAttr, REFERENCE_INSTANCES..., SELECTED_ATTRIBUTES
//	RandomForest: the same below model/
//	LinearSVC: PARAMETERS, MODEL (liblinear's text)
//
// ID3DecisionTree.Save closes nothing, so its archive lacks the end marks of tar and gzip.
const manifest = "golearn 1.0"

// IsFile reports whether data may be a file that golearn saved: a gzip archive whose first entry is its manifest.
func IsFile(data []byte) bool {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return false
	}
	head := make([]byte, 512)
	if _, err := io.ReadFull(z, head); err != nil {
		return false
	}
	return bytes.HasPrefix(head, []byte("CLS_MANIFEST\x00"))
}

// Bounds of a file. Reading allocates at most 64 MB and 20 times its size: an entry is read into one buffer that is used again, splits take a fraction of the
// JSON that describes them, and every header costs about a kilobyte.
type limits struct {
	entries int   // in the archive
	entry   int64 // bytes of one that is read
	read    int64 // bytes of all that are read
	total   int64 // bytes of the whole archive, which only pass by
}

func limitsOf(size int) limits {
	s := int64(size)
	return limits{entries: 4096 + size/256, entry: 8<<20 + 2*s, read: 16<<20 + 8*s, total: 256<<20 + 64*s}
}

// Read imports a file that golearn saved. The content decides what it is.
func Read(data []byte, opt Options) (models.Model, *Report, error) {
	r := &Report{}
	m, err := read(data, opt, r)
	if err != nil {
		return nil, r, fmt.Errorf("golearn: %w", err)
	}
	return m, r, nil
}

func read(data []byte, opt Options, r *Report) (models.Model, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("not a gzip archive: %w", err)
	}
	f := &savedFile{limits: limitsOf(len(data)), in: bufio.NewReaderSize(z, 1<<15), forest: newForest(r), trees: map[string]bool{}}
	if err := f.scan(); err != nil {
		return nil, err
	}
	if f.cut {
		r.warn("the archive has no end, as golearn's ID3DecisionTree.Save leaves it; everything that the model needs is there")
	}
	return f.model(opt, r)
}

// savedFile is what scan has found.
type savedFile struct {
	limits
	in     *bufio.Reader
	buffer bytes.Buffer
	cut    bool // no end marks

	forest  *forest
	trees   map[string]bool // entries of trees and their class attributes
	prefix  string          // of the classifiers of a forest
	count   int64           // NUM_CLASSIFIERS, -1: none
	inBag   int             // trees of a forest
	single  bool            // a tree alone
	svc     *Liblinear
	name    string // METADATA's classifier
	first   string // an entry that no supported model has
	members bool   // classifiers of a forest that are no trees
}

var treeEntry = regexp.MustCompile(`^((?:model/)?CLASSIFIERS/)?(?:([0-9]{1,6})//)?(tree|treeClassAttr)$`)

// scan walks the archive once.
func (f *savedFile) scan() error {
	f.count = -1
	for n := 0; ; n++ {
		if n > f.entries {
			return fmt.Errorf("the archive has more than %d entries", f.entries)
		}
		h, err := f.header()
		if err != nil {
			return err
		}
		if h == nil {
			if n == 0 {
				return fmt.Errorf("the archive is empty")
			}
			return nil
		}
		if n == 0 && h.Name != "CLS_MANIFEST" {
			return fmt.Errorf("the archive begins with %.40q; golearn's begin with CLS_MANIFEST", h.Name)
		}
		if err := f.entryOf(h); err != nil {
			return fmt.Errorf("entry %.60q: %w", h.Name, err)
		}
	}
}

// header reads the next header; nil at the end. It is parsed alone by archive/tar, so that no extended header is ever followed: golearn writes none.
func (f *savedFile) header() (*tar.Header, error) {
	var block [512]byte
	if f.total -= int64(len(block)); f.total < 0 {
		return nil, fmt.Errorf("the archive is larger than any model of its size")
	}
	_, err := io.ReadFull(f.in, block[:])
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		f.cut = true
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the archive is damaged: %w", err)
	}
	if block == ([512]byte{}) {
		// The rest is padding; reading it makes gzip check its sum.
		if _, err := io.Copy(io.Discard, io.LimitReader(f.in, f.total)); err == io.ErrUnexpectedEOF {
			f.cut = true
		} else if err != nil {
			return nil, fmt.Errorf("the archive is damaged: %w", err)
		}
		return nil, nil
	}
	if block[156] != tar.TypeReg && block[156] != 0 {
		return nil, fmt.Errorf("the archive holds something else than plain files (type %q)", block[156])
	}
	h, err := tar.NewReader(bytes.NewReader(block[:])).Next()
	if err != nil || h.Size < 0 {
		return nil, fmt.Errorf("the archive is damaged: %v", err)
	}
	return h, nil
}

// entryOf reads what it needs and passes over the rest.
func (f *savedFile) entryOf(h *tar.Header) error {
	skip := h.Size
	padding := (512 - h.Size%512) % 512
	use := f.use(h.Name)
	if use != nil {
		if h.Size > f.entry || h.Size > f.limits.read {
			return fmt.Errorf("it has %d bytes, more than a model in a file of this size", h.Size)
		}
		f.limits.read -= h.Size
		skip = 0
		f.buffer.Reset()
		if _, err := io.CopyN(&f.buffer, f.in, h.Size); err != nil {
			return cutShort(err)
		}
		if err := use(f.buffer.Bytes()); err != nil {
			return err
		}
	}
	if f.total -= h.Size + padding; f.total < 0 {
		return fmt.Errorf("the archive is larger than any model of its size")
	}
	if _, err := io.CopyN(io.Discard, f.in, skip); err != nil {
		return cutShort(err)
	}
	if _, err := io.CopyN(io.Discard, f.in, padding); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return cutShort(err) // the padding of the last entry may be missing
	}
	return nil
}

func cutShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the file is cut short; save the model again")
	}
	return fmt.Errorf("the archive is damaged: %w", err)
}

// use returns what to do with an entry; nil passes it over.
func (f *savedFile) use(name string) func([]byte) error {
	switch name {
	case "CLS_MANIFEST":
		return func(b []byte) error {
			if string(b) != manifest {
				return fmt.Errorf("this is format %.40q of golearn; %q is read", b, manifest)
			}
			return nil
		}
	case "METADATA":
		return func(b []byte) error {
			var meta struct {
				Classifier string `json:"classifier"`
			}
			if len(b) < 1<<16 && json.Unmarshal(b, &meta) == nil {
				f.name = meta.Classifier
			}
			return nil
		}
	case "NUM_CLASSIFIERS", "model/NUM_CLASSIFIERS":
		return func(b []byte) error {
			if len(b) != 8 || f.count >= 0 {
				return fmt.Errorf("it is not one number")
			}
			f.count = int64(binary.LittleEndian.Uint64(b) & (1<<62 - 1))
			return nil
		}
	case "MODEL":
		return func(b []byte) (err error) {
			f.svc, err = ParseLiblinear(b)
			return err
		}
	case "PARAMETERS", "NUM_RANDOM_FEATURES", "model/NUM_RANDOM_FEATURES":
		return nil
	}
	m := treeEntry.FindStringSubmatch(name)
	if m == nil || (m[1] == "") != (m[2] == "") {
		f.members = f.members || len(name) > 12 && (name[:12] == "CLASSIFIERS/" || len(name) > 18 && name[:18] == "model/CLASSIFIERS/")
		if f.first == "" {
			f.first = name
		}
		return nil
	}
	return func(b []byte) error { return f.tree(m, b) }
}

// tree reads the entry of a tree or of its class attribute.
func (f *savedFile) tree(m []string, b []byte) error {
	if m[2] != "" {
		if i, _ := strconv.Atoi(m[2]); i >= models.MaxTrees || strconv.Itoa(i) != m[2] {
			return fmt.Errorf("it is no tree's number")
		}
	}
	if f.trees[m[0]] {
		return fmt.Errorf("the archive has it twice")
	}
	if f.trees[m[0]] = true; !json.Valid(b) {
		return fmt.Errorf("it is not JSON; save the model again")
	}
	c := &cursor{b: b}
	if m[3] == "treeClassAttr" {
		a, ok, err := c.attribute()
		if err == nil && ok {
			err = f.forest.classAttribute(a)
		}
		return err
	}
	if f.single || m[1] == "" && f.inBag > 0 || m[1] != f.prefix && f.inBag > 0 {
		return fmt.Errorf("the archive holds two models")
	}
	if m[1] == "" {
		f.single = true
	} else {
		f.prefix = m[1]
		f.inBag++
	}
	root, err := f.forest.parseNode(c)
	if err != nil {
		return err
	}
	return f.forest.plant(root)
}

// model builds what the archive holds.
func (f *savedFile) model(opt Options, r *Report) (models.Model, error) {
	switch {
	case f.svc != nil && len(f.forest.trees) == 0:
		m, sub, err := f.svc.Model(opt)
		*r = *sub
		return m, err
	case f.svc != nil:
		return nil, fmt.Errorf("the archive holds two models")
	case f.single:
		r.Model = "trees.ID3DecisionTree or RandomTree"
	case f.inBag > 0:
		r.Model = "meta.BaggedModel"
		if f.prefix == "model/CLASSIFIERS/" {
			r.Model = "ensemble.RandomForest"
		}
		if f.members {
			return nil, fmt.Errorf("a bag of other models than trees; only bags of ID3 and random trees are supported")
		}
		if f.count != int64(f.inBag) {
			return nil, fmt.Errorf("the file has %d of %d trees; save the model again", f.inBag, f.count)
		}
		for i := range f.inBag {
			if !f.trees[fmt.Sprintf("%s%d//tree", f.prefix, i)] {
				return nil, fmt.Errorf("tree %d is missing; save the model again", i)
			}
		}
	default:
		r.Model = f.name
		return nil, fmt.Errorf("a saved model of kind %.40q (with an entry %.60q) is not supported: the files of ID3 and random trees, RandomForest, BaggedModel and LinearSVC are read", f.name, f.first)
	}
	if f.forest.class == nil {
		return nil, fmt.Errorf("the class attribute (entry treeClassAttr) is missing; save the model again")
	}
	m, err := f.forest.finish(opt)
	if err == nil {
		err = m.Validate()
	}
	return m, err
}
