package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of CPU times in /proc: USER_HZ, which is 100 on every architecture that Go runs on.
const tick = 10 * time.Millisecond

// stat is what we read of /proc/<pid>/stat.
type stat struct {
	parent      int
	own, reaped time.Duration // CPU time; reaped is that of children that have ended and been waited for
}

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	// The name is in parentheses and may hold anything.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	const parent, utime, stime, cutime, cstime = 1, 11, 12, 13, 14
	if len(fields) <= cstime {
		return stat{}, fmt.Errorf("/proc/%d/stat is cut off", pid)
	}
	numbers := make([]int64, len(fields))
	for i := range fields {
		numbers[i], _ = strconv.ParseInt(fields[i], 10, 64) // the state is a letter
	}
	return stat{
		parent: int(numbers[parent]),
		own:    time.Duration(numbers[utime]+numbers[stime]) * tick,
		reaped: time.Duration(numbers[cutime]+numbers[cstime]) * tick,
	}, nil
}

func ownCPU(pid int) (time.Duration, error) {
	s, err := readStat(pid)
	return s.own, err
}

// treeCPU is the CPU time of a process, of its children, and of those that it had.
func treeCPU(pid int) (time.Duration, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, entry := range entries {
		child, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		// One that has ended meanwhile is among the reaped.
		if s, err := readStat(child); err == nil && s.parent == pid {
			sum += s.own
		}
	}
	s, err := readStat(pid)
	return sum + s.own + s.reaped, err
}

// parentOf is how the postmaster is found: by one of its children.
func parentOf(pid int) (int, error) {
	s, err := readStat(pid)
	return s.parent, err
}

// peakMemory is the most that a process has had in memory so far, in bytes.
func peakMemory(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return kilobytes(string(text), "VmHWM:")
}

func kilobytes(text, name string) (int64, error) {
	for line := range strings.Lines(text) {
		if rest, found := strings.CutPrefix(line, name); found {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("there is no %s", name)
}

func hardware() (cpu string, memoryBytes int64) {
	cpu = "unknown CPU"
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			cpu = strings.TrimSpace(value)
			break
		}
	}
	text, _ = os.ReadFile("/proc/meminfo")
	memoryBytes, _ = kilobytes(string(text), "MemTotal:")
	return cpu, memoryBytes
}

// tied ends a child when this program is killed and cannot end it.
func tied() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }
