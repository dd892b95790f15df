package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// step is one sentence of the story and what makes it true. do may return a
// remark that is printed behind the sentence. Its error is a sentence too: it
// says what was expected and what was seen.
type step struct {
	says string
	do   func(context.Context) (remark string, err error)
}

// stepTimeout bounds each step.
const stepTimeout = 3 * time.Minute

// tell does the steps in order and stops at the first that fails.
func tell(ctx context.Context, out io.Writer, steps []step) error {
	for i, step := range steps {
		fmt.Fprintf(out, "%2d/%d  %s", i+1, len(steps), step.says)
		begun := time.Now()
		remark, err := step.run(ctx)
		if err != nil {
			fmt.Fprintln(out, "  FAILED")
			return fmt.Errorf("step %d, %q: %w", i+1, step.says, err)
		}
		fmt.Fprintf(out, "  (%s)\n", time.Since(begun).Round(10*time.Millisecond))
		if remark != "" {
			fmt.Fprintf(out, "       %s\n", remark)
		}
	}
	return nil
}

func (s step) run(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, stepTimeout, errors.New("it took over "+stepTimeout.String()))
	defer cancel()
	return s.do(ctx)
}
