module mongod

go 1.26.0
