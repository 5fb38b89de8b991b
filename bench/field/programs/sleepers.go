// SPDX-License-Identifier: MIT
// sleepers <tasks> <milliseconds>: the same as sleepers_aloft with goroutines.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
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

func peakMemory() int64 {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return used.Maxrss * 1024
}

func main() {
	count := argument(1, 100000)
	duration := time.Duration(argument(2, 1000)) * time.Millisecond
	runtime.GOMAXPROCS(2)
	before := peakMemory()
	var all sync.WaitGroup
	all.Add(count)
	begin := time.Now()
	for i := 0; i < count; i++ {
		go func() {
			time.Sleep(duration)
			all.Done()
		}()
	}
	all.Wait()
	fmt.Printf("beyond_s=%g\n", (time.Since(begin) - duration).Seconds())
	fmt.Printf("bytes_per_task=%g\n", float64(peakMemory()-before)/float64(count))
}
