// SPDX-License-Identifier: MIT
// channel <round trips> <items>: the same as channel_aloft with Go's channels.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
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
	trips := argument(1, 100000)
	items := argument(2, 1000000)
	runtime.GOMAXPROCS(2)
	there := make(chan int, 64)
	back := make(chan int, 64)
	begin := time.Now()
	go func() {
		for value := range there {
			back <- value + 1
		}
	}()
	for i := 0; i < trips; i++ {
		there <- i
		if <-back != i+1 {
			panic("wrong answer")
		}
	}
	close(there)
	fmt.Printf("round_trip_ns=%g\n", float64(time.Since(begin).Nanoseconds())/float64(trips))

	to := make(chan int, 64)
	begin = time.Now()
	go func() {
		for i := 0; i < items; i++ {
			to <- i
		}
		close(to)
	}()
	sum := 0
	for value := range to {
		sum += value
	}
	if sum != items*(items-1)/2 {
		panic("wrong sum")
	}
	fmt.Printf("item_ns=%g\n", float64(time.Since(begin).Nanoseconds())/float64(items))
}
