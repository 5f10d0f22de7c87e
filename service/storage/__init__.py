"""The store on MongoDB: the only home of motor, pymongo and bson."""
