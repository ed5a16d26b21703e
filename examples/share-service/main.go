// share-service shares a directory with a VM through a host's share service, and takes it away again.
//
//	share-service [-socket S] [-sandbox ID] [-memory MIB] DIRECTORY [VMM ARGUMENT...]
//
// The VMM runs with the arguments for its share behind its own. Without one they are printed, a line each, and the share
// stays until standard input ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/ttrpc"

	share "share-service/sharev1"
)

const service = "shimvirtiofs.share.v1.Shares"

func main() {
	socket := flag.String("socket", "/run/containerd-shim-virtiofs/host.sock", "the host's `socket`")
	sandbox := flag.String("sandbox", "my-sandbox", "the sandbox's `id`")
	memory := flag.Uint("memory", 512, "the VM's memory in `MiB`")
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	request := &share.OpenRequest{SandboxId: *sandbox, Tag: "work", Source: flag.Arg(0), MemoryMib: uint32(*memory)}
	if err := run(*socket, request, flag.Args()[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(socket string, request *share.OpenRequest, vmm []string) (err error) {
	// From here on a signal ends the VMM, and the share is closed all the same.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if request.Source, err = filepath.Abs(request.Source); err != nil {
		return err
	}
	connection, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	client := ttrpc.NewClient(connection)
	defer client.Close()

	opening, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	opened := &share.OpenResponse{}
	if err := client.Call(opening, service, "Open", request, opened); err != nil && opening.Err() == nil {
		return err
	}
	defer func() {
		name := &share.CloseRequest{SandboxId: request.SandboxId, Tag: request.Tag}
		closing := client.Call(context.Background(), service, "Close", name, &share.CloseResponse{})
		err = errors.Join(err, closing)
	}()
	// Given up, and the host may have opened it all the same: ttrpc cannot tell a server that its caller gave up.
	if opening.Err() != nil {
		return opening.Err()
	}
	if len(vmm) > 0 {
		command := exec.CommandContext(ctx, vmm[0], append(vmm[1:], opened.QemuArguments...)...)
		command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
		return command.Run()
	}
	fmt.Println(strings.Join(opened.QemuArguments, "\n"))
	return untilInputEnds(ctx)
}

func untilInputEnds(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		ended <- err
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return nil
	}
}
