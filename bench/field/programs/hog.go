// SPDX-License-Identifier: MIT
// hog <hogs> <threads>: the sleeping tasks of hog_aloft, with goroutines.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
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

func main() {
	hogs := argument(1, 1)
	runtime.GOMAXPROCS(argument(2, 2))
	var counts atomic.Bool
	var mutex sync.Mutex
	var delays []float64
	for i := 0; i < 100; i++ {
		go func() {
			for {
				due := time.Now().Add(time.Millisecond)
				time.Sleep(time.Millisecond)
				if counts.Load() {
					late := time.Since(due).Seconds() * 1e3
					mutex.Lock()
					delays = append(delays, late)
					mutex.Unlock()
				}
			}
		}()
	}
	time.Sleep(300 * time.Millisecond)
	var all sync.WaitGroup
	all.Add(hogs)
	for i := 0; i < hogs; i++ {
		go func() {
			counts.Store(true)
			end := time.Now().Add(time.Second)
			for time.Now().Before(end) {
			}
			counts.Store(false)
			all.Done()
		}()
	}
	all.Wait()
	mutex.Lock()
	sort.Float64s(delays)
	at := func(part float64) float64 { return delays[int(float64(len(delays)-1)*part)] }
	fmt.Printf("sleep_p50_ms=%g\nsleep_p90_ms=%g\nsleep_p99_ms=%g\nsleep_worst_ms=%g\n",
		at(0.5), at(0.9), at(0.99), at(1))
}
