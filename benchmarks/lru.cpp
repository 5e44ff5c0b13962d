// The usual LRU cache: a list in order of use and a hash map into it. Reads 64-bit keys from a file, looks each up, stores
// it on a miss, evicts beyond a capacity (0 = none); prints "nanoseconds per access, hits".
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <list>
#include <unordered_map>
#include <vector>

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    std::ifstream file(argv[1], std::ios::binary | std::ios::ate);
    std::vector<std::uint64_t> keys(static_cast<std::size_t>(file.tellg()) / 8);
    file.seekg(0);
    file.read(reinterpret_cast<char *>(keys.data()), static_cast<std::streamsize>(keys.size() * 8));
    const std::size_t capacity = std::strtoull(argv[2], nullptr, 10);
    std::list<std::uint64_t> order;
    std::unordered_map<std::uint64_t, std::list<std::uint64_t>::iterator> cache;
    cache.reserve(capacity ? capacity : keys.size());
    std::size_t hits = 0;
    const auto began = std::chrono::steady_clock::now();
    for (const auto key : keys) {
        const auto found = cache.find(key);
        if (found != cache.end()) {
            ++hits;
            if (capacity) order.splice(order.begin(), order, found->second);
            continue;
        }
        if (capacity && cache.size() == capacity) {
            cache.erase(order.back());
            order.pop_back();
        }
        order.push_front(key);
        cache.emplace(key, order.begin());
    }
    const auto took = std::chrono::steady_clock::now() - began;
    const double ns = std::chrono::duration<double, std::nano>(took).count();
    std::printf("%.3f %zu\n", ns / static_cast<double>(keys.size()), hits);
    return 0;
}
