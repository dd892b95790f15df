package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// task is `app task FOR CODE [WORDS]`: a program that ends by itself after a
// time, with a code. It says of what version it is, what it was told and its
// SECRET, and adds a line to /runs/log where there is such a folder. The words
// are fork (it leaves a process behind that holds its output), flood (it prints
// 100 MB) and stubborn (SIGTERM does nothing). A file in place of FOR, as where
// it is the interpreter of one, is printed.
func task(args []string) int {
	fmt.Printf("task of %s: %s %s\n", os.Getenv("VERSION"), strings.Join(args, " "), os.Getenv("SECRET"))
	fmt.Println("command", os.Getenv("KAMAL_COMMAND"), "of", os.Getenv("FAIRLEAD_HOOK"))
	log, err := os.OpenFile("/runs/log", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = fmt.Fprintln(log, os.Getenv("VERSION"), os.Getenv("FAIRLEAD_HOOK"))
		_ = log.Close()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "app:", err)
	}
	if len(args) < 2 {
		text, err := os.ReadFile(args[0])
		fmt.Println(string(text))
		if err != nil {
			return 2
		}
		return 0
	}
	wait, err := time.ParseDuration(args[0])
	code, cerr := strconv.Atoi(args[1])
	if err != nil || cerr != nil {
		return 2
	}
	if slices.Contains(args, "stubborn") {
		signal.Ignore(syscall.SIGTERM)
	}
	if slices.Contains(args, "fork") {
		left := exec.Command(os.Args[0], "task", "1h", "0", "stubborn")
		left.Stdout, left.Stderr, left.SysProcAttr = os.Stdout, os.Stderr, &syscall.SysProcAttr{Setsid: true}
		if err := left.Start(); err != nil {
			fmt.Fprintln(os.Stderr, "app:", err)
		}
	}
	if slices.Contains(args, "flood") {
		line := strings.Repeat("flood ", 170)
		for range 100_000 {
			fmt.Println(line)
		}
		fmt.Println("the end of the flood")
	}
	time.Sleep(wait)
	return code
}
