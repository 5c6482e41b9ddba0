// Reads an exported log with Go's own tree and note code: folder, verifier key, proof of nothing else.
package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type folder string

func (f folder) Height() int { return 8 }

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, t := range tiles {
		data, err := os.ReadFile(filepath.Join(string(f), strings.Replace(t.Path(), "tile/8/", "tile/", 1)))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func main() {
	log := folder(os.Args[1])
	verifier, err := note.NewVerifier(os.Args[2])
	check(err)
	text, err := os.ReadFile(filepath.Join(os.Args[1], "checkpoint"))
	check(err)
	opened, err := note.Open(text, note.VerifierList(verifier))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	root, err := base64.StdEncoding.DecodeString(lines[2])
	check(err)
	tree := tlog.Tree{N: size}
	copy(tree.Hash[:], root)
	reader := tlog.TileHashReader(tree, log)
	computed, err := tlog.TreeHash(size, reader)
	check(err)
	for n := int64(0); n < size; n++ {
		proof, err := tlog.ProveRecord(size, n, reader)
		check(err)
		name := tlog.Tile{H: 8, L: 0, N: n / 256, W: int(min(256, size-n/256*256))}.Path()
		entries, err := os.ReadFile(filepath.Join(os.Args[1], strings.Replace(name, "tile/8/0/", "tile/entries/", 1)))
		check(err)
		at := (n % 256) * 34
		check(tlog.CheckRecord(proof, size, tree.Hash, n, tlog.RecordHash(entries[at+2:at+34])))
	}
	fmt.Println(size, computed == tree.Hash)
}

func min(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}
