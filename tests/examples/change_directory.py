import asyncio

from docservice import DirectoryFilters, DocService, Principal, demo


async def main() -> None:
    async with DocService(data_dir="directory-data") as logs:
        await logs.import_directory(demo.directory())
        program = logs.acting_as(Principal(is_service=True))
        [room] = [each async for each in program.directory_records("classrooms", DirectoryFilters(search="class"))]
        coaches = program.directory_records("users", DirectoryFilters(classroom=room["id"], role="coach"))
        [coach] = [each async for each in coaches]
        page = await logs.acting_as(Principal(user_id=coach["id"])).directory_page("users", page_size=500)
        print(room["name"], coach["username"], len(page.results))

        removed = await program.remove_directory_record("users", page.results[0]["id"])
        print(dict(removed.removed))
        replaced = await program.replace_directory(demo.directory())  # the whole of the school again
        print(replaced.written["users"], dict(replaced.removed))


asyncio.run(main())
