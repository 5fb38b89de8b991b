// SPDX-License-Identifier: MIT
// spawn <tasks> <threads>: the same as spawn_aloft with goroutines.
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

func main() {
	count := argument(1, 100000)
	runtime.GOMAXPROCS(argument(2, 2))
	var all sync.WaitGroup
	figures := make([]float64, 5)
	for round := range figures {
		begin := time.Now()
		all.Add(count)
		for i := 0; i < count; i++ {
			go all.Done()
		}
		all.Wait()
		figures[round] = float64(time.Since(begin).Nanoseconds()) / float64(count)
	}
	sort.Float64s(figures)
	fmt.Printf("inside_ns=%g\n", figures[len(figures)/2])

	begin := time.Now()
	for i := 0; i < 2; i++ {
		all.Add(1)
		go func() {
			for j := 0; j < count; j++ {
				runtime.Gosched()
			}
			all.Done()
		}()
	}
	all.Wait()
	fmt.Printf("yield_ns=%g\n", float64(time.Since(begin).Nanoseconds())/float64(2*count))
}
