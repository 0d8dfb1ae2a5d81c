//go:build !linux

package main

import (
	"errors"
	"syscall"
	"time"
)

var errLinuxOnly = errors.New("CPU time and memory of other processes are read from /proc: run the benchmarks on Linux")

func ownCPU(int) (time.Duration, error)  { return 0, errLinuxOnly }
func treeCPU(int) (time.Duration, error) { return 0, errLinuxOnly }
func parentOf(int) (int, error)          { return 0, errLinuxOnly }
func peakMemory(int) (int64, error)      { return 0, errLinuxOnly }

func hardware() (cpu string, memoryBytes int64) { return "unknown CPU", 0 }

func tied() *syscall.SysProcAttr { return nil }
