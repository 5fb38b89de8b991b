// SPDX-License-Identifier: MIT
// sleepers <tasks> <milliseconds>: the same as sleepers_aloft with goroutines.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
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

// Bytes; of this program. Not from getrusage, which remembers what the process was before exec.
func peakMemory() int64 {
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		var kibibytes int64
		if _, err := fmt.Sscanf(line, "VmHWM: %d", &kibibytes); err == nil {
			return kibibytes * 1024
		}
	}
	return 0
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
