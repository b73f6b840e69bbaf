// Reads a log that is published as tiles by the implementation of Go's checksum database, which shares nothing with us.
//
//	tlog FOLDER KEY OLD-SIZE OLD-ROOT
//
// It opens the signed note, lets the library lead every tile that it reads to the signed root, and has it prove that leaves are
// in the tree, and that the older tree was its beginning.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type folder string

func (f folder) Height() int                     { return 8 }
func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}
func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		// C2SP fixes the height and leaves it out of the path.
		content, err := os.ReadFile(filepath.Join(string(f), strings.Replace(tile.Path(), "tile/8/", "tile/", 1)))
		if err != nil {
			return nil, err
		}
		found = append(found, content)
	}
	return found, nil
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	place := folder(os.Args[1])
	verifier := must(note.NewVerifier(os.Args[2]))
	opened := must(note.Open(must(os.ReadFile(filepath.Join(os.Args[1], "checkpoint"))), note.VerifierList(verifier)))
	lines := strings.Split(opened.Text, "\n")
	size := must(strconv.ParseInt(lines[1], 10, 64))
	tree := tlog.Tree{N: size, Hash: must(tlog.ParseHash(lines[2]))}
	reader := tlog.TileHashReader(tree, place)
	for index := int64(0); index < size; index += 1 + size/500 {
		leaf := must(reader.ReadHashes([]int64{tlog.StoredHashIndex(0, index)}))[0]
		check(tlog.CheckRecord(must(tlog.ProveRecord(size, index, reader)), size, tree.Hash, index, leaf))
	}
	old := must(strconv.ParseInt(os.Args[3], 10, 64))
	proof := must(tlog.ProveTree(size, old, reader))
	check(tlog.CheckTree(proof, size, tree.Hash, old, must(tlog.ParseHash(os.Args[4]))))
	fmt.Printf("%s %d\n", lines[0], size)
}
