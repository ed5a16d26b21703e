// Command ttrpc-interop is the Go side of the tests and benchmarks of ttrpc-ts.
//
//	ttrpc-interop server <socket>              serves until standard input ends
//	ttrpc-interop client <socket>              runs the scenarios named on standard input, one a line
//	ttrpc-interop bench <socket> <json>        measures a server and prints the result as JSON
package main

import (
	"fmt"
	"io"
	"net"
	"os"

	"github.com/containerd/ttrpc"
)

func main() {
	if len(os.Args) < 3 {
		fail(fmt.Errorf("usage: ttrpc-interop server|client|bench <socket>"))
	}
	commands := map[string]func(socket string) error{"server": serve, "client": runScenarios, "bench": bench}
	command, ok := commands[os.Args[1]]
	if !ok {
		fail(fmt.Errorf("unknown command %q", os.Args[1]))
	}
	if err := command(os.Args[2]); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// dial connects a client to a socket.
func dial(socket string) (*ttrpc.Client, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	return ttrpc.NewClient(conn), nil
}

// untilInputEnds blocks while whoever started this program keeps its standard input open.
func untilInputEnds() {
	_, _ = io.Copy(io.Discard, os.Stdin)
}
