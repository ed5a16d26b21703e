package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"example.com/ttrpc-interop/interop"
	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/status"
)

// outcome is what a scenario came to, as one line of JSON.
type outcome struct {
	// Value is what the call returned, in a form that a test can compare.
	Value any `json:"value"`
	// Code and Error are those of the error that the call ended with; -1 for one that is no status.
	Code  int    `json:"code"`
	Error string `json:"error"`
}

// runScenarios runs what standard input names: `<name>` or `<name> <JSON of the request>`.
func runScenarios(socket string) error {
	client, err := dial(socket)
	if err != nil {
		return err
	}
	defer client.Close()
	lines := bufio.NewScanner(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		name, argument, _ := strings.Cut(lines.Text(), " ")
		scenario, ok := scenarios[name]
		if !ok {
			return fmt.Errorf("unknown scenario %q", name)
		}
		value, err := scenario(client, []byte(argument))
		result := outcome{Value: value}
		if err != nil {
			result.Code, result.Error = -1, err.Error()
			if status, ok := status.FromError(err); ok {
				result.Code, result.Error = int(status.Code()), status.Message()
			}
		}
		if err := output.Encode(result); err != nil {
			return err
		}
	}
	return lines.Err()
}

type scenario func(client *ttrpc.Client, argument []byte) (any, error)

var scenarios = map[string]scenario{
	"echo": func(client *ttrpc.Client, argument []byte) (any, error) {
		var size int
		if err := json.Unmarshal(argument, &size); err != nil {
			return nil, err
		}
		var reply interop.Payload
		err := client.Call(context.Background(), service, "Echo", &interop.Payload{Data: make([]byte, size)}, &reply)
		return len(reply.Data), err
	},
	"concurrent": func(client *ttrpc.Client, _ []byte) (any, error) {
		var group sync.WaitGroup
		errs := make([]error, 1000)
		for index := range errs {
			group.Go(func() {
				var reply interop.Payload
				request := &interop.Payload{Data: fmt.Append(nil, index)}
				errs[index] = client.Call(context.Background(), service, "Echo", request, &reply)
				if errs[index] == nil && string(reply.Data) != string(request.Data) {
					errs[index] = fmt.Errorf("call %d got %q", index, reply.Data)
				}
			})
		}
		group.Wait()
		return len(errs), errors.Join(errs...)
	},
	"describe": func(client *ttrpc.Client, _ []byte) (any, error) {
		ctx := ttrpc.WithMetadata(context.Background(), ttrpc.MD{"One": {"1"}, "two": {"a", "b"}})
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		var reply interop.Description
		err := client.Call(ctx, service, "Describe", &interop.Payload{}, &reply)
		return []any{reply.Metadata, reply.TimeoutNano}, err
	},
	"fail": func(client *ttrpc.Client, argument []byte) (any, error) {
		var request interop.Failure
		if err := json.Unmarshal(argument, &request); err != nil {
			return nil, err
		}
		return nil, client.Call(context.Background(), service, "Fail", &request, &interop.Payload{})
	},
	"deadline": func(client *ttrpc.Client, _ []byte) (any, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		return nil, client.Call(ctx, service, "Wait", &interop.Payload{}, &interop.Payload{})
	},
	"expired": func(client *ttrpc.Client, _ []byte) (any, error) {
		ctx, cancel := context.WithTimeout(context.Background(), -time.Second)
		defer cancel()
		return nil, client.Call(ctx, service, "Echo", &interop.Payload{}, &interop.Payload{})
	},
	"unknown-service": func(client *ttrpc.Client, _ []byte) (any, error) {
		return nil, client.Call(context.Background(), "no.Such", "Echo", &interop.Payload{}, &interop.Payload{})
	},
	"unknown-method": func(client *ttrpc.Client, _ []byte) (any, error) {
		return nil, client.Call(context.Background(), service, "Nope", &interop.Payload{}, &interop.Payload{})
	},
	"repeat": func(client *ttrpc.Client, argument []byte) (any, error) {
		var request interop.RepeatRequest
		if err := json.Unmarshal(argument, &request); err != nil {
			return nil, err
		}
		desc := &ttrpc.StreamDesc{StreamingServer: true}
		stream, err := client.NewStream(context.Background(), desc, service, "Repeat", &request)
		if err != nil {
			return nil, err
		}
		return receive(stream)
	},
	"count": func(client *ttrpc.Client, argument []byte) (any, error) {
		desc := &ttrpc.StreamDesc{StreamingClient: true}
		stream, err := client.NewStream(context.Background(), desc, service, "Count", nil)
		if err != nil {
			return nil, err
		}
		if err := send(stream, argument); err != nil {
			return nil, err
		}
		var summary interop.Summary
		err = stream.RecvMsg(&summary)
		return []uint64{summary.Messages, summary.Bytes}, err
	},
	"chat": func(client *ttrpc.Client, argument []byte) (any, error) {
		desc := &ttrpc.StreamDesc{StreamingClient: true, StreamingServer: true}
		stream, err := client.NewStream(context.Background(), desc, service, "Chat", nil)
		if err != nil {
			return nil, err
		}
		sent := make(chan error, 1)
		go func() { sent <- send(stream, argument) }()
		sizes, err := receive(stream)
		return sizes, errors.Join(err, <-sent)
	},
}

// send sends messages of the sizes that the argument lists, then closes its side.
func send(stream ttrpc.ClientStream, argument []byte) error {
	var sizes []int
	if err := json.Unmarshal(argument, &sizes); err != nil {
		return err
	}
	for _, size := range sizes {
		if err := stream.SendMsg(&interop.Payload{Data: make([]byte, size)}); err != nil {
			return err
		}
	}
	return stream.CloseSend()
}

// receive returns the sizes of the messages up to the end of a stream.
func receive(stream ttrpc.ClientStream) ([]int, error) {
	sizes := []int{}
	for {
		var payload interop.Payload
		if err := stream.RecvMsg(&payload); errors.Is(err, io.EOF) {
			return sizes, nil
		} else if err != nil {
			return sizes, err
		}
		sizes = append(sizes, len(payload.Data))
	}
}
