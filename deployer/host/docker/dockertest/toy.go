package dockertest

import (
	"crypto/sha256"
	"fmt"
	"runtime"
)

func goarch() string { return runtime.GOARCH }

func sum(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

// toySource is the program in the image, by its first argument:
//
//	sleep        waits for SIGTERM, then ends with 0
//	serve        serves "ok" over HTTP on port 80 until SIGTERM
//	exit CODE    ends with that code
//	print LINE…  prints each argument as a line
//	echo         copies standard input to standard output
//	ok           ends with 0, for health checks
//	fail TEXT    prints TEXT to standard error, ends with 3
//	env NAME     prints a variable
//	size         prints the terminal's size once it has 33 rows
const toySource = `package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"unsafe"
)

func main() {
	args := append(os.Args[1:], "", "")
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	switch args[0] {
	case "serve":
		go http.ListenAndServe(":80", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
		<-stop
	case "exit":
		code, _ := strconv.Atoi(args[1])
		os.Exit(code)
	case "print":
		for _, line := range os.Args[2:] {
			fmt.Println(line)
		}
	case "echo":
		io.Copy(os.Stdout, os.Stdin)
	case "env":
		fmt.Println(os.Getenv(args[1]))
	case "size":
		changed := make(chan os.Signal, 1)
		signal.Notify(changed, syscall.SIGWINCH)
		for size := [4]uint16{}; ; <-changed {
			syscall.Syscall(syscall.SYS_IOCTL, 1, syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&size)))
			if size[0] == 33 {
				fmt.Printf("%dx%d\n", size[0], size[1])
				return
			}
		}
	case "ok":
	case "fail":
		fmt.Fprintln(os.Stderr, args[1])
		os.Exit(3)
	default:
		<-stop
	}
}
`
