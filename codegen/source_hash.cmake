# cmake -DOUTPUT=FILE -P codegen/source_hash.cmake: writes a header with a hash of all sources that decide what code is
# made of a program. Cached code is never used by a kiln that would make other code.
cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH root)
foreach(folder ir passes codegen runtime)
  file(GLOB_RECURSE sources ${root}/${folder}/*.h ${root}/${folder}/*.cpp)
  list(APPEND all ${sources})
endforeach()
list(SORT all)
foreach(source IN LISTS all)
  file(SHA256 ${source} hash)
  string(APPEND hashes ${hash})
endforeach()
string(SHA256 hash "${hashes}")
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "constexpr const char* kSourceHash = \"${hash}\";\n") # kept where it is the same
