package main

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// cat prints a file as it is.
func cat(path string) int {
	f, err := os.Open(path)
	if err == nil {
		defer f.Close()
		_, err = io.Copy(os.Stdout, f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "app:", err)
		return 1
	}
	return 0
}

// typed repeats each line of standard input until its end, or "bye".
func typed() int {
	fmt.Println("terminal:", term.IsTerminal(int(os.Stdin.Fd())))
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Println("typed:", lines.Text())
		if lines.Text() == "bye" {
			return 3
		}
	}
	return 0
}
