// SPDX-License-Identifier: MIT
// hog <hogs> <threads>: the same as hog_aloft with goroutines.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"sync"
	"time"
)

func argument(index int, otherwise int) int {
	if index < len(os.Args) {
		if value, err := strconv.Atoi(os.Args[index]); err == nil {
			return value
		}
	}
	return otherwise
}

type wake struct {
	due  time.Time
	late time.Duration
}

func main() {
	hogs := argument(1, 1)
	runtime.GOMAXPROCS(argument(2, 2))
	var mutex sync.Mutex
	var wakes []wake
	for i := 0; i < 100; i++ {
		go func() {
			for {
				due := time.Now().Add(time.Millisecond)
				time.Sleep(time.Millisecond)
				late := time.Since(due)
				mutex.Lock()
				wakes = append(wakes, wake{due, late})
				mutex.Unlock()
			}
		}()
	}
	time.Sleep(300 * time.Millisecond)
	var all sync.WaitGroup
	all.Add(hogs)
	begin := time.Now()
	for i := 0; i < hogs; i++ {
		go func() {
			end := time.Now().Add(time.Second)
			for time.Now().Before(end) {
			}
			all.Done()
		}()
	}
	all.Wait()
	end := time.Now()
	time.Sleep(50 * time.Millisecond) // each sleeper wakes once more: some may be late until then
	mutex.Lock()
	var delays []float64
	for _, each := range wakes {
		if each.due.After(begin) && each.due.Before(end) {
			delays = append(delays, each.late.Seconds()*1e3)
		}
	}
	sort.Float64s(delays)
	at := func(part float64) float64 { return delays[int(float64(len(delays)-1)*part)] }
	fmt.Printf("sleep_p50_ms=%g\nsleep_p90_ms=%g\nsleep_p99_ms=%g\nsleep_worst_ms=%g\n",
		at(0.5), at(0.9), at(0.99), at(1))
}
