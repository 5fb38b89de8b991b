// SPDX-License-Identifier: MIT
// echo <threads>: an echo server with a goroutine per connection; server.hpp says how it is
// measured.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
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

func compute(steps int) uint64 {
	x := uint64(88172645463325252)
	for i := 0; i < steps; i++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// The steps of a computation that takes 20 ms.
func calibrate() int {
	const trial = 500000
	best := time.Second
	for i := 0; i < 10; i++ {
		begin := time.Now()
		if compute(trial) == 0 {
			os.Exit(1)
		}
		if took := time.Since(begin); took < best {
			best = took
		}
	}
	return int(float64(20*time.Millisecond) / float64(best) * trial)
}

func echo(connection net.Conn, heavy int) {
	defer connection.Close()
	buffer := make([]byte, 4096)
	for {
		size, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if buffer[0] == 'H' && compute(heavy) == 0 || buffer[0] == 'W' && compute(50*heavy) == 0 {
			return
		}
		if _, err := connection.Write(buffer[:size]); err != nil {
			return
		}
	}
}

func control() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var used syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &used)
		fmt.Printf("%d.%06d %d.%06d\n", used.Utime.Sec, used.Utime.Usec, used.Stime.Sec, used.Stime.Usec)
	}
	os.Exit(0)
}

func main() {
	runtime.GOMAXPROCS(argument(1, 1))
	heavy := calibrate()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("port=%d\n", listener.Addr().(*net.TCPAddr).Port)
	go control()
	for {
		connection, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go echo(connection, heavy)
	}
}
