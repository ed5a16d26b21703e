package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"sort"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/ttrpc-interop/interop"
	"github.com/containerd/ttrpc"
)

// benchCase is what to measure: calls or, where Window is set, messages of one stream.
type benchCase struct {
	// Method is Echo, with the payload both ways, or Fetch, with the payload in the answer.
	Method     string `json:"method"`
	Size       int    `json:"size"`
	InFlight   int    `json:"inFlight"`
	Window     int    `json:"window"`
	DurationMs int    `json:"durationMs"`
}

// benchResult is what was measured; times are in microseconds.
type benchResult struct {
	P50       float64 `json:"p50"`
	P99       float64 `json:"p99"`
	PerSecond float64 `json:"perSecond"`
	Count     int64   `json:"count"`
	CPU       float64 `json:"cpuMicros"`
}

// bench measures the cases that standard input lists, one JSON a line, and answers each with a line.
func bench(socket string) error {
	client, err := dial(socket)
	if err != nil {
		return err
	}
	defer client.Close()
	input, output := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var each benchCase
		if err := input.Decode(&each); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		result, err := measure(client, each)
		if err != nil {
			return err
		}
		if err := output.Encode(result); err != nil {
			return err
		}
	}
}

func measure(client *ttrpc.Client, each benchCase) (benchResult, error) {
	cpu, start := cpuTime(), time.Now()
	end := start.Add(time.Duration(each.DurationMs) * time.Millisecond)
	message := &interop.Payload{Data: make([]byte, each.Size)}
	if each.Window > 0 {
		count, err := stream(client, message, each.Window, end)
		elapsed := time.Since(start)
		return benchResult{PerSecond: float64(count) / elapsed.Seconds(), Count: count, CPU: cpuTime() - cpu}, err
	}
	var request any = message
	if each.Method == "Fetch" {
		request = &interop.FetchRequest{Size: uint32(each.Size)}
	}
	var (
		group  sync.WaitGroup
		mutex  sync.Mutex
		times  []float64
		failed atomic.Value
	)
	for range each.InFlight {
		group.Go(func() {
			var own []float64
			for now := time.Now(); now.Before(end); {
				var reply interop.Payload
				if err := client.Call(context.Background(), service, each.Method, request, &reply); err != nil {
					failed.Store(err)
					return
				}
				then := time.Now()
				own = append(own, float64(then.Sub(now).Nanoseconds())/1e3)
				now = then
			}
			mutex.Lock()
			times = append(times, own...)
			mutex.Unlock()
		})
	}
	group.Wait()
	elapsed := time.Since(start)
	if err, ok := failed.Load().(error); ok {
		return benchResult{}, err
	}
	cpu = cpuTime() - cpu
	sort.Float64s(times)
	at := func(share float64) float64 { return times[int(share*float64(len(times)-1))] }
	count := int64(len(times))
	return benchResult{at(0.5), at(0.99), float64(count) / elapsed.Seconds(), count, cpu}, nil
}

// stream keeps a window of messages on their way through an echoing stream.
func stream(client *ttrpc.Client, message *interop.Payload, window int, end time.Time) (int64, error) {
	desc := &ttrpc.StreamDesc{StreamingClient: true, StreamingServer: true}
	chat, err := client.NewStream(context.Background(), desc, service, "Chat", nil)
	if err != nil {
		return 0, err
	}
	tokens := make(chan struct{}, window)
	sent := make(chan error, 1)
	go func() {
		for time.Now().Before(end) {
			tokens <- struct{}{}
			if err := chat.SendMsg(message); err != nil {
				sent <- err
				return
			}
		}
		sent <- chat.CloseSend()
	}()
	var count int64
	for {
		var reply interop.Payload
		if err := chat.RecvMsg(&reply); errors.Is(err, io.EOF) {
			return count, <-sent
		} else if err != nil {
			return count, err
		}
		count++
		<-tokens
	}
}

// cpuTime returns the microseconds of processor time that this process has used.
func cpuTime() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e3
}
