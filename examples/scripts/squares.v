// What is printed is the result. Needs a V compiler. Run it with
//   hero-supervisor job run --type v --file examples/scripts/squares.v
mut sum := 0
for number in 1 .. 11 {
	sum += number * number
}
println(sum)
