package rest

import (
	"fmt"
	"math"
	"strconv"
)

const (
	black, white = "#000000", "#ffffff"
	// readable is the contrast that WCAG 2 asks of text at level AA.
	readable = 4.5
)

// textOn is black or white, whichever is easier to read on a color; each color goes with one of them.
func textOn(background string) string {
	if contrast(black, background) >= contrast(white, background) {
		return black
	}
	return white
}

// darkened is the color, made darker until it can be read on white.
func darkened(color string) string {
	red, green, blue := channels(color)
	for step := 100; step > 0; step -= 2 {
		shade := fmt.Sprintf("#%02x%02x%02x", red*step/100, green*step/100, blue*step/100)
		if contrast(shade, white) >= readable {
			return shade
		}
	}
	return black
}

// contrast is the contrast ratio of two colors as WCAG 2 defines it, from 1 to 21.
func contrast(one, other string) float64 {
	a, b := luminance(one), luminance(other)
	return (max(a, b) + 0.05) / (min(a, b) + 0.05)
}

func luminance(color string) float64 {
	red, green, blue := channels(color)
	return 0.2126*linear(red) + 0.7152*linear(green) + 0.0722*linear(blue)
}

func linear(channel int) float64 {
	c := float64(channel) / 255
	if c <= 0.04045 {
		return c / 12.92
	}
	return math.Pow((c+0.055)/1.055, 2.4)
}

// channels are those of #rrggbb, as which colors are stored.
func channels(color string) (red, green, blue int) {
	rgb, err := strconv.ParseUint(color[1:], 16, 24)
	if err != nil {
		return 0, 0, 0
	}
	return int(rgb >> 16), int(rgb >> 8 & 0xff), int(rgb & 0xff)
}
