// The etcd logs of a folder, checked by Porcupine: prints the nanoseconds of the checks alone, the best of five.
package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

type request struct {
	kind     string
	from, to int
}

type answer struct {
	happened, exists, unknown bool
	value                     int
}

const absent = -1

var model = porcupine.Model{
	Init: func() interface{} { return absent },
	Step: func(state, in, out interface{}) (bool, interface{}) {
		now, asked, said := state.(int), in.(request), out.(answer)
		switch asked.kind {
		case "read":
			if said.unknown {
				return true, now
			}
			return said.exists == (now != absent) && (!said.exists || now == said.value), now
		case "write":
			return true, asked.to
		default:
			if said.unknown {
				if now == asked.from {
					return true, asked.to
				}
				return true, now
			}
			if said.happened {
				return now == asked.from, asked.to
			}
			return now != asked.from, now
		}
	},
	Equal: func(a, b interface{}) bool { return a == b },
}

func events(path string) []porcupine.Event {
	file, err := os.Open(path)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	var all []porcupine.Event
	open := map[int]int{}
	kinds := map[int]string{}
	next := 0
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		words := strings.Fields(strings.NewReplacer("[", " ", "]", " ").Replace(lines.Text()))
		if len(words) < 6 {
			continue
		}
		process, _ := strconv.Atoi(words[3])
		number := func(at int) int {
			if at >= len(words) {
				return 0
			}
			value, _ := strconv.Atoi(words[at])
			return value
		}
		kind := words[5][1:]
		if words[4] == ":invoke" {
			asked := request{kind: kind, to: number(6)}
			if kind == "cas" {
				asked.from, asked.to = number(6), number(7)
			}
			all = append(all, porcupine.Event{ClientId: process, Kind: porcupine.CallEvent, Value: asked, Id: next})
			open[process], kinds[next] = next, kind
			next++
			continue
		}
		id, known := open[process]
		if !known || words[4] == ":info" || words[6] == ":timed-out" {
			continue
		}
		said := answer{happened: words[4] == ":ok", exists: words[6] != "nil", value: number(6)}
		all = append(all, porcupine.Event{ClientId: process, Kind: porcupine.ReturnEvent, Value: said, Id: id})
		delete(open, process)
	}
	for process, id := range open {
		all = append(all, porcupine.Event{ClientId: process, Kind: porcupine.ReturnEvent, Value: answer{unknown: true}, Id: id})
	}
	return all
}

func main() {
	paths, _ := filepath.Glob(filepath.Join(os.Args[1], "*.log"))
	var histories [][]porcupine.Event
	for _, path := range paths {
		histories = append(histories, events(path))
	}
	best := time.Duration(1 << 62)
	for round := 0; round < 5; round++ {
		begun := time.Now()
		for _, history := range histories {
			porcupine.CheckEvents(model, history)
		}
		if took := time.Since(begun); took < best {
			best = took
		}
	}
	fmt.Println(best.Nanoseconds())
}
