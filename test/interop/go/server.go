package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sort"
	"time"

	"example.com/ttrpc-interop/interop"
	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const service = "ttrpc.interop.v1.InteropService"

func serve(socket string) error {
	server, err := ttrpc.NewServer()
	if err != nil {
		return err
	}
	server.RegisterService(service, &ttrpc.ServiceDesc{
		Methods: map[string]ttrpc.Method{
			"Echo":     unary(echo),
			"Fetch":    unary(fetch),
			"Describe": unary(describe),
			"Fail":     unary(failAs),
			"Wait":     unary(wait),
		},
		Streams: map[string]ttrpc.Stream{
			"Repeat": {Handler: repeat, StreamingServer: true},
			"Count":  {Handler: count, StreamingClient: true},
			"Chat":   {Handler: chat, StreamingClient: true, StreamingServer: true},
		},
	})
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	go func() {
		untilInputEnds()
		os.Remove(socket)
		os.Exit(0)
	}()
	fmt.Println("ready")
	return server.Serve(context.Background(), listener)
}

// unary makes a method of a function with a typed request.
func unary[In any, Out any](handle func(context.Context, *In) (*Out, error)) ttrpc.Method {
	return func(ctx context.Context, unmarshal func(any) error) (any, error) {
		var request In
		if err := unmarshal(&request); err != nil {
			return nil, err
		}
		reply, err := handle(ctx, &request)
		if reply == nil {
			return nil, err
		}
		return reply, err
	}
}

func echo(_ context.Context, request *interop.Payload) (*interop.Payload, error) {
	return &interop.Payload{Data: request.Data}, nil
}

func fetch(_ context.Context, request *interop.FetchRequest) (*interop.Payload, error) {
	return &interop.Payload{Data: make([]byte, request.Size)}, nil
}

func describe(ctx context.Context, _ *interop.Payload) (*interop.Description, error) {
	description := &interop.Description{}
	if metadata, ok := ttrpc.GetMetadata(ctx); ok {
		for key, values := range metadata {
			for _, value := range values {
				description.Metadata = append(description.Metadata, key+"="+value)
			}
		}
		sort.SliceStable(description.Metadata, func(i, j int) bool {
			return description.Metadata[i] < description.Metadata[j]
		})
	}
	if deadline, ok := ctx.Deadline(); ok {
		description.TimeoutNano = time.Until(deadline).Nanoseconds()
	}
	return description, nil
}

func failAs(_ context.Context, request *interop.Failure) (*interop.Payload, error) {
	switch request.Kind {
	case interop.Failure_STATUS:
		return nil, status.Error(codes.Code(request.Code), request.Message)
	case interop.Failure_NOT_EXIST:
		_, err := os.Stat("/no/such/file")
		return nil, err
	case interop.Failure_EXIST:
		return nil, os.Mkdir("/", 0o700)
	case interop.Failure_PERMISSION:
		return nil, os.ErrPermission
	case interop.Failure_CANCELED:
		return nil, context.Canceled
	case interop.Failure_DEADLINE:
		return nil, context.DeadlineExceeded
	case interop.Failure_WRAPPED_STATUS:
		return nil, fmt.Errorf("wrapped: %w", status.Error(codes.Code(request.Code), request.Message))
	case interop.Failure_NIL_REPLY:
		return nil, nil
	case interop.Failure_OVERSIZE_REPLY:
		return &interop.Payload{Data: make([]byte, 4<<20)}, nil
	default:
		return nil, errors.New(request.Message)
	}
}

func wait(ctx context.Context, _ *interop.Payload) (*interop.Payload, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func repeat(_ context.Context, stream ttrpc.StreamServer) (any, error) {
	var request interop.RepeatRequest
	if err := stream.RecvMsg(&request); err != nil {
		return nil, err
	}
	for range request.Count {
		if err := stream.SendMsg(&interop.Payload{Data: make([]byte, request.Size)}); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func count(_ context.Context, stream ttrpc.StreamServer) (any, error) {
	summary := &interop.Summary{}
	for {
		var payload interop.Payload
		if err := stream.RecvMsg(&payload); errors.Is(err, io.EOF) {
			return summary, nil
		} else if err != nil {
			return nil, err
		}
		summary.Messages++
		summary.Bytes += uint64(len(payload.Data))
	}
}

func chat(_ context.Context, stream ttrpc.StreamServer) (any, error) {
	for {
		var payload interop.Payload
		if err := stream.RecvMsg(&payload); errors.Is(err, io.EOF) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		if err := stream.SendMsg(&payload); err != nil {
			return nil, err
		}
	}
}
